-- Holds that the service has placed beforehand, for jobs that are equal to those that came before them. Whoever submits a thousand
-- equal jobs in a loop is answered from here, and Slurm does not wait for the service with each of them.
--
-- A spare is a hold like any other, so that no money is promised twice. It may be used for two seconds, for nothing but a job that
-- asks for the same in every word, by the same user; after that the service gives it back. Only in a burst are there any, first
-- a few, then twice as many each time; and none for half a minute once the service had none to give.

local M = { seconds = 2 }

-- So many equal ones close behind each other are a burst; so many kinds of jobs are remembered at once.
local BURST, KINDS_MAX = 4, 64
-- More at once make it no faster.
local BATCH_MAX = 32
local REST_SECONDS = 30

local kinds, count = {}, 0

-- A clock that was set back ends the time as well.
local function is_within(at, seconds, now)
  return now >= at and now - at <= seconds
end

local function kind_of(question, now)
  local kind = kinds[question]
  if kind then
    return kind
  end
  if count >= KINDS_MAX then
    kinds, count = {}, 0
  end
  kind = { row = 0, at = now, batch = 0, keys = {}, rest_until = 0 }
  kinds[question], count = kind, count + 1
  return kind
end

-- How many a site wants at most; a number that is none is left to us.
local function batch_max(wanted)
  return math.max(0, math.min(BATCH_MAX, math.floor(tonumber(wanted) or BATCH_MAX)))
end

-- The key of a hold for this question; or nil, and how many spares to ask for with it: not more than `wanted`.
function M.take(question, now, wanted)
  local kind = kind_of(question, now)
  kind.row = is_within(kind.at, M.seconds, now) and kind.row + 1 or 1
  kind.at = now
  if #kind.keys > 0 then
    if is_within(kind.given_at, M.seconds, now) then
      return table.remove(kind.keys)
    end
    kind.keys, kind.batch = {}, 0
  end
  if kind.row <= BURST or is_within(kind.rest_until - REST_SECONDS, REST_SECONDS, now) then
    return nil, 0
  end
  return nil, math.min(batch_max(wanted), math.max(BURST, 2 * kind.batch))
end

-- What came of asking for these spares, at the moment before it was asked: `held` are the keys of those that the service holds.
function M.keep(question, asked, held, asked_at)
  local kind = kinds[question]
  if not kind or #asked == 0 then
    return
  end
  local is_held = {}
  for _, key in ipairs(type(held) == "table" and held or {}) do
    is_held[key] = true
  end
  kind.batch, kind.given_at, kind.keys = #asked, asked_at, {}
  for _, key in ipairs(asked) do
    if is_held[key] then
      kind.keys[#kind.keys + 1] = key
    end
  end
  if #kind.keys == 0 then
    kind.batch, kind.rest_until = 0, asked_at + REST_SECONDS
  end
end

return M
