// Sets the colours before the first paint: the reader's choice, or else the system's. It runs in <head>.
{
    let theme = null;
    try {
        theme = localStorage.getItem('theme');
    } catch {
        // A browser that keeps nothing.
    }
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
}
