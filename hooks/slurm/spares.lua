-- Holds that the service has placed beforehand, for jobs that are equal to those that came before them. Whoever submits a thousand
-- equal jobs in a loop is answered from here, and Slurm does not wait for the service with each of them.
--
-- A spare is a hold like any other, so that no money is promised twice. It may be used for two seconds, for nothing but a job that
-- asks for the same in every word, by the same user. A burst is five equal jobs within two seconds and nobody's between them: when
-- another job is asked about, what is left of a burst's spares goes back first, so that they are in nobody's way.

local M = { seconds = 2 }

-- So many equal ones before the one that asks for spares.
local BEFORE = 4
-- More at once make it no faster.
local BATCH_MAX = 32
-- Nobody is asked for spares for so long once there were none.
local REST_SECONDS = 30
-- What does not fit is left to the looks at the queue.
local UNUSED_MAX = 256

-- The jobs that came last, and their spares; and the spares that no job will take.
local burst
local unused = {}

-- A clock that was set back ends the time as well.
local function is_within(at, seconds, now)
  return now >= at and now - at <= seconds
end

local function lay_aside(keys)
  for _, key in ipairs(keys) do
    if #unused < UNUSED_MAX then
      unused[#unused + 1] = key
    end
  end
end

local function end_batch()
  lay_aside(burst.keys)
  burst.keys, burst.batch = {}, 0
end

-- How many a site wants at most; a number that is none is left to us.
local function batch_max(wanted)
  return math.max(0, math.min(BATCH_MAX, math.floor(tonumber(wanted) or BATCH_MAX)))
end

-- Twice as many as the last time, and not more than came to be used in two seconds.
local function next_batch(now)
  if burst.batch == 0 then
    return BEFORE
  end
  local used_in = math.max(now - burst.given_at, 0.001)
  return math.floor(math.min(2 * burst.batch, burst.batch * M.seconds / used_in))
end

-- The key of a hold for this question; or nil, and how many spares to ask for with it: not more than `wanted`. Without a question
-- somebody is asked about who is never in a burst.
function M.take(question, now, wanted)
  if burst and burst.question ~= question then
    end_batch()
    burst = nil
  end
  if not question then
    return nil, 0
  end
  burst = burst or { question = question, times = {}, keys = {}, batch = 0 }
  local times = burst.times
  local is_burst = #times == BEFORE and is_within(times[1], M.seconds, now)
  times[#times + 1] = now
  if #times > BEFORE then
    table.remove(times, 1)
  end
  if #burst.keys > 0 then
    if is_within(burst.given_at, M.seconds, now) then
      return table.remove(burst.keys)
    end
    end_batch()
  end
  if not is_burst or (burst.none_at and is_within(burst.none_at, REST_SECONDS, now)) then
    return nil, 0
  end
  return nil, math.min(batch_max(wanted), next_batch(now))
end

-- What came of asking for these spares, at the moment before it was asked: `held` are the keys of those that the service says it
-- holds. Of an answer that was lost nobody knows: it may hold them all.
function M.keep(asked, answer, asked_at)
  if #asked == 0 then
    return
  end
  local held = answer and answer.spares
  if type(held) ~= "table" or #held == 0 then
    burst.batch, burst.none_at = 0, asked_at
    if not answer or answer.replayed then
      lay_aside(asked)
    end
    return
  end
  local is_held = {}
  for _, key in ipairs(held) do
    is_held[key] = true
  end
  burst.batch, burst.given_at = #asked, asked_at
  for _, key in ipairs(asked) do
    if is_held[key] then
      burst.keys[#burst.keys + 1] = key
    end
  end
end

-- Keys of spares that no job will take, and that they have been given back.
function M.unused()
  return unused
end

function M.given_back()
  unused = {}
end

return M
