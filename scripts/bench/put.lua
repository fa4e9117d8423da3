-- For wrk: PUTs the file named by BODY over and over and ends with one line of JSON about the run.
-- Without a request function of its own wrk builds the request once, so Lua costs nothing while it
-- measures. With TOKENS, a file of keys, the clients that they belong to take turns.

local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method = "PUT"
wrk.body = file:read("*a")
file:close()

local tokens = os.getenv("TOKENS")
if tokens then
    local requests, last = {}, 0
    function init()
        for token in io.lines(tokens) do
            wrk.headers["Authorization"] = "Bearer " .. token
            requests[#requests + 1] = wrk.format()
        end
    end
    function request()
        last = last % #requests + 1
        return requests[last]
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\nRESULT {"requests":%d,"seconds":%.6f,"failed":%d,"p50_ms":%.4f,"p99_ms":%.4f,"max_ms":%.4f}\n',
        summary.requests, summary.duration / 1e6,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
