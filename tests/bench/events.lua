-- Load for /v1/events: single events or batches, every id new. Arguments, as name=value:
-- tag (makes ids unique), size (events per request, 1 = a single event), customers, pause (mean think time, ms).
local options = { tag = "x", size = "1", customers = "10000", pause = "0", key = "" }
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(arguments)
  for _, argument in ipairs(arguments) do
    local name, value = argument:match("^(%w+)=(.*)$")
    if name then options[name] = value end
  end
  size, customers, pause = tonumber(options.size), tonumber(options.customers), tonumber(options.pause)
  sent = 0
  math.randomseed(os.time() + number * 7919)
  wrk.method = "POST"
  wrk.path = "/v1/events"
  wrk.headers["Authorization"] = "Bearer " .. options.key
  wrk.headers["Content-Type"] =
    size == 1 and "application/cloudevents+json" or "application/cloudevents-batch+json"
  if pause > 0 then
    delay = function() return math.floor(-math.log(1 - math.random()) * pause) end
  end
end

local random, format = math.random, string.format

local function one(now)
  sent = sent + 1
  return format(
    '{"specversion":"1.0","id":"%s-%d-%d","source":"bench/load","type":"bench.%d","subject":"b%d",'
      .. '"time":"%s","data":{"tokens":%d,"model":"large"}}',
    options.tag, number, sent, random(0, 2), random(0, customers - 1), now, random(0, 4999))
end

function request()
  local now = os.date("!%Y-%m-%dT%H:%M:%SZ")
  if size == 1 then return wrk.format(nil, nil, nil, one(now)) end
  local events = {}
  for at = 1, size do events[at] = one(now) end
  return wrk.format(nil, nil, nil, "[" .. table.concat(events, ",") .. "]")
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(format(
    '\nRESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
