"""A browser for tests: Chromium without a window. t/support/Hashmill/Browser.pm is how a test in Perl uses it.

browser.py DIRECTORY [NAME=ADDRESS...]

All files are in DIRECTORY. The browser reaches loopback only; each NAME leads to its ADDRESS there. Each line of the
standard input is a command, a list in JSON, and is answered by a line, {"value": ...} or {"error": "..."}:

["open", URL]             once the page has loaded
["run", SCRIPT, ARG...]   what a function of this text returns, called with these arguments on the page; if that is a
                          promise, its value
["press", KEY...]         presses keys where the focus is: TAB, SHIFT+TAB, ENTER, SPACE, ESCAPE, DOWN; a text that is none
                          of these is typed
["choose", SELECTOR, FILE]  has the reader choose a file in an input
["hide"], ["show"]        has the window out of sight, and in sight again
["console"]               what the browser has complained of since the last such command
["requests"]              the URLs of all requests since the last such command
["cdp", NAME, PARAMETERS] a command of the Chrome DevTools protocol; its answer

The first line that it writes, {"value": "ready"}, answers no command. It ends with its input.
"""
import json
import sys

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service

SECONDS = 60  # for a page or a script


def start(directory, names):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    rules = [f"MAP {name} {address}" for name, address in names]
    rules += ["MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"]
    for argument in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
            f"--user-data-dir={directory}/profile", f"--host-resolver-rules={', '.join(rules)}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver", log_path=f"{directory}/chromedriver.log"),
                              options=options)
    driver.set_page_load_timeout(SECONDS)
    driver.set_script_timeout(SECONDS)
    return driver


def press(driver, *keys):
    chain = ActionChains(driver)
    for key in keys:
        *held, name = key.split("+") if key == "SHIFT+TAB" else [key]
        for other in held:
            chain.key_down(getattr(Keys, other))
        chain.send_keys(getattr(Keys, name) if name.isupper() and hasattr(Keys, name) else name)
        for other in held:
            chain.key_up(getattr(Keys, other))
    chain.perform()


def choose(driver, selector, file):
    driver.find_element(By.CSS_SELECTOR, selector).send_keys(file)


def requests(driver):
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


COMMANDS = {
    "open": lambda driver, url: driver.get(url),
    "run": lambda driver, *arguments: driver.execute_script(*arguments),
    "press": press,
    "choose": choose,
    "hide": lambda driver: driver.minimize_window(),
    "show": lambda driver: driver.set_window_size(1280, 900),
    "console": lambda driver: [entry["message"] for entry in driver.get_log("browser")],
    "requests": requests,
    "cdp": lambda driver, *arguments: driver.execute_cdp_cmd(*arguments),
}


def answer(**members):
    print(json.dumps(members), flush=True)


def main(directory, *names):
    driver = start(directory, [name.split("=") for name in names])
    answer(value="ready")
    try:
        for line in sys.stdin:
            try:
                command, *arguments = json.loads(line)
                answer(value=COMMANDS[command](driver, *arguments))
            except WebDriverException as error:
                answer(error=error.msg)
    finally:
        driver.quit()


main(*sys.argv[1:])
