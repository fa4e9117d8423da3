"""A browser for tests: Chromium without a window. t/support/Hashmill/Browser.pm is how a test in Perl uses it.

browser.py DIRECTORY [NAME=ADDRESS...]

All files are in DIRECTORY. The browser reaches loopback only; each NAME leads to its ADDRESS there. Each line of the
standard input is a command, a list in JSON, and is answered by a line, {"value": ...} or {"error": "..."}:

["open", URL]             once the page has loaded
["run", SCRIPT, ARG...]   what a function of this text returns, called with these arguments on the page; if that is a
                          promise, its value

The first line that it writes, {"value": "ready"}, answers no command. It ends with its input.
"""
import json
import sys

from selenium import webdriver
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
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver", log_path=f"{directory}/chromedriver.log"),
                              options=options)
    driver.set_page_load_timeout(SECONDS)
    driver.set_script_timeout(SECONDS)
    return driver


def do(driver, command, *arguments):
    if command == "open":
        return driver.get(*arguments)
    if command == "run":
        return driver.execute_script(*arguments)
    raise ValueError(f"no command {command}")


def answer(**members):
    print(json.dumps(members), flush=True)


def main(directory, *names):
    driver = start(directory, [name.split("=") for name in names])
    answer(value="ready")
    try:
        for line in sys.stdin:
            try:
                answer(value=do(driver, *json.loads(line)))
            except WebDriverException as error:
                answer(error=error.msg)
    finally:
        driver.quit()


main(*sys.argv[1:])
