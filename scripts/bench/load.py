"""Load on /enqueue: wrk for a time, h2load for a number of requests. One thread of theirs each: the
two, nginx and the server share the machine's processors, and these tools take the least of them."""

import json
import os
import re
import subprocess


def put_for(url, body, clients, seconds, iterations=1000, keys=None):
    """PUTs the file body on `clients` connections, in turn with each of the keys, if any. Returns
    {"rate", "p50_ms", "p99_ms", "max_ms", "requests"}; ends the program when a request failed."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s", "-s",
               os.path.join(os.path.dirname(os.path.abspath(__file__)), "put.lua"),
               f"{url}/enqueue?iterations={iterations}"]
    files = {"BODY": str(body), **({"TOKENS": str(keys.tokens_file)} if keys else {})}
    run = subprocess.run(command, env={**os.environ, **files}, capture_output=True, text=True,
                         check=False)
    found = re.search(r"^RESULT (.*)$", run.stdout, re.MULTILINE)
    if run.returncode != 0 or not found:
        raise SystemExit(f"wrk failed: {run.stdout}{run.stderr}")
    result = json.loads(found[1])
    if result.pop("failed") > 0:
        raise SystemExit(f"requests to {url} failed:\n{run.stdout}")
    result["rate"] = result["requests"] / result.pop("seconds")
    return result


def put_count(url, body, clients, count, iterations):
    """Starts count PUTs; the caller waits for the process that is returned."""
    return subprocess.Popen(
        ["h2load", "--h1", "-t1", f"-c{clients}", f"-n{count}", "-d", str(body), "-H",
         ":method: PUT", f"{url}/enqueue?iterations={iterations}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def put_count_ended(process, count):
    """Waits for put_count's process; ends the program unless all were answered 2xx."""
    text, _ = process.communicate()
    if process.returncode != 0 or f"{count} succeeded" not in text or f"{count} 2xx" not in text:
        raise SystemExit(f"h2load failed:\n{text}")
