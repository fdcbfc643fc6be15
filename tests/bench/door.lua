-- The requests of `tests.bench.loads` for wrk: kind, path before the operation, authorization, first day as Python counts days.
local kind, place, authorization, day

function init(args)
  kind, place, authorization, day = args[1], args[2], args[3], tonumber(args[4])
  math.randomseed(os.time() + day)
end

local function id()
  local parts = {}
  for index = 1, 8 do parts[index] = string.format("%04x", math.random(0, 65535)) end
  return table.concat(parts)
end

function request()
  local headers = {}
  if authorization ~= "" then headers["Authorization"] = authorization end
  if kind == "query" then
    return wrk.format("GET", place .. "/get_day?staff_id=guard&day=2026-03-02", headers)
  end
  day = day + 1
  headers["Content-Type"], headers["Idempotency-Key"] = "application/json", id()
  -- Python counts the days from the first of the year 1, this library from 1970.
  local on = os.date("!%Y-%m-%d", (day - 719163) * 86400)
  local body = '{"type": "attendance.publish_roster.v1", "roster_id": "' .. id() .. '", "staff_ids": ["guard"], "days": [{"day": "' .. on .. '"}]}'
  return wrk.format("POST", place .. "/publish_roster", headers, body)
end
