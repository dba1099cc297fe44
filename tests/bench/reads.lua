-- Load of GETs with an API key. Arguments, as name=value: key, path; customers > 0 puts a reference for %s.
local options = { key = "", path = "/", customers = "0" }

function init(arguments)
  for _, argument in ipairs(arguments) do
    local name, value = argument:match("^(%w+)=(.*)$")
    if name then options[name] = value end
  end
  customers = tonumber(options.customers)
  wrk.headers["Authorization"] = "Bearer " .. options.key
end

function request()
  if customers == 0 then return wrk.format("GET", options.path) end
  return wrk.format("GET", (options.path:gsub("%%s", "b" .. math.random(0, customers - 1))))
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
