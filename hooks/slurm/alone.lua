-- What the hook decides by itself while the service is away: by the policy file, which bursar-relay keeps fresh.
--
-- No policy file, no prices for a partition that is open up to an amount, or a total that cannot be kept: closed. What is decided
-- here goes into the spool, and the service gives the jobs that were let in their holds, late and flagged.

local M = {}

local MICRO = 1000000
local INFINITE = 4294967295
local STRICTER = { open = 1, open_to_limit = 2, closed = 3 }

local function has(list, word)
  for _, each in ipairs(type(list) == "table" and list or {}) do
    if each == word then
      return true
    end
  end
  return false
end

local function split(text)
  local words = {}
  for word in text:gmatch("[^,%s]+") do
    words[#words + 1] = word
  end
  return words
end

-- `1-1000:2%5,7`: how many tasks. Nothing said is one job.
local function tasks_of(array)
  if type(array) ~= "string" or array == "" then
    return 1
  end
  local count = 0
  for _, range in ipairs(split((array:gsub("%%%d+", "")))) do
    local first, last, step = range:match("^(%d+)%-(%d+):?(%d*)$")
    if first then
      count = count + math.max(0, math.floor((tonumber(last) - tonumber(first)) / math.max(1, tonumber(step) or 1)) + 1)
    else
      count = count + 1
    end
  end
  return math.max(1, count)
end

-- `gres:gpu:a100:2,gres/gpu=1`: how many of which model; "" is no model in particular.
local function gpus_in(text, times, found)
  for _, entry in ipairs(split(type(text) == "string" and text or "")) do
    local rest = entry:gsub("^gres[:/]", "")
    if rest:match("^gpu") then
      local count = tonumber(rest:match("[:=](%d+)$")) or 1
      local model = rest:match("^gpu[:/]([^:=%d][^:=]*)") or ""
      found[model] = (found[model] or 0) + count * times
    end
  end
end

-- Millionths of the unit, rounded up; nil where a price is missing. A little too much is right here: the service charges what
-- was used, and this is only how much may pass unasked.
function M.cost(job, partition)
  local rates = type(partition) == "table" and partition.per_hour
  if type(rates) ~= "table" or next(rates) == nil then
    return nil
  end
  local minutes = job.time_limit or partition.default_minutes or partition.max_minutes
  if minutes == INFINITE then
    minutes = partition.max_minutes
  end
  minutes = tonumber(minutes)
  if not minutes or minutes >= INFINITE then
    return nil
  end

  local nodes = math.max(1, job.min_nodes or 1)
  local tasks = math.max(1, job.num_tasks or nodes * (job.ntasks_per_node or 1))
  local cpus = math.max(1, job.min_cpus or 1, tasks * (job.cpus_per_task or 1), nodes)
  local gpus = {}
  gpus_in(job.tres_per_job, 1, gpus)
  gpus_in(job.tres_per_node or job.gres, nodes, gpus)
  gpus_in(job.tres_per_socket, nodes * 2, gpus)
  gpus_in(job.tres_per_task, tasks, gpus)
  local memory = math.max((job.min_mem_per_node or 0) * nodes, (job.min_mem_per_cpu or 0) * cpus) / 1024

  local hourly = cpus * (tonumber(rates.cpu) or 0) + nodes * (tonumber(rates.node) or 0) + memory * (tonumber(rates.mem) or 0)
  for model, count in pairs(gpus) do
    local rate = tonumber(rates["gpu:" .. model]) or tonumber(rates.gpu)
    if not rate then
      return nil
    end
    hourly = hourly + count * rate
  end
  local weight = tonumber(partition.weight) or 1
  return math.ceil(hourly * weight * (minutes / 60) * tasks_of(job.array) * MICRO)
end

-- How far a total may be ahead of the clock and still count: a clock that is set right goes back by seconds. `bursar slurm
-- doctor` knows the number too.
local HOURS_AHEAD = 2

-- Adds to what this hour has let in unasked, or says that it would be too much for one of the pots: { limit, micro } by name.
-- Written before the job is let in: a controller that is killed in between has counted a job too many, never one too few.
function M.count(bursar, config, pots, now)
  local path = config.hour_file or (config.policy_file or "") .. ".hour"
  local hour = math.floor(now / 3600)
  local kept = { hour = hour, micro = {} }
  if bursar.read_file(path) then
    local before = bursar.read_json(path)
    local is_whole = before and type(before.micro) == "table" and type(before.hour) == "number"
    if not is_whole or before.hour > hour + HOURS_AHEAD then
      -- Cut off by a power cut, or of a clock that was far ahead and has taken the totals since with it. Nobody knows what the hour
      -- has let in, so that the rest of it lets in nothing.
      before = { hour = hour, micro = { unknown = 1 } }
      bursar.write_whole(path, string.format('{"hour":%d,"micro":{"unknown":1}}', hour))
    end
    -- A clock that was set back opens no new hour.
    if before.hour >= hour then
      kept = before
    end
  end
  if kept.micro.unknown then
    return false, "what this hour has already let in is not known"
  end
  for name, pot in pairs(pots) do
    local total = (tonumber(kept.micro[name]) or 0) + pot.micro
    if total > pot.limit * MICRO then
      return false, "this hour's amount of " .. name .. " is used up"
    end
    kept.micro[name] = total
  end
  local lines = {}
  for name, amount in pairs(kept.micro) do
    lines[#lines + 1] = string.format("%q:%.0f", name, amount)
  end
  local text = string.format('{"hour":%d,"micro":{%s}}\n', kept.hour, table.concat(lines, ","))
  if not bursar.write_whole(path, text) then
    return false, path .. " cannot be written"
  end
  return true
end

-- "*" is every partition that is not named.
local function partition_of(policy, name)
  local all = type(policy.partitions) == "table" and policy.partitions or {}
  local found = all[name] or all["*"]
  return type(found) == "table" and found or {}
end

local AWAY = "Bursar, which keeps the budgets, cannot be asked now"

local function policy_of(policy, name)
  local partition = partition_of(policy, name)
  local own = STRICTER[partition.failure_policy] and partition.failure_policy
  return own or (STRICTER[policy.failure_policy] and policy.failure_policy) or "closed", partition
end

-- Of several partitions the strictest policy, whatever their order; and where that is an amount by the hour, the pot of each, for
-- Slurm may start the job in any of them: what it costs there has to fit in all.
local function strictest_of(policy, job, names)
  local strictest, pots = nil, {}
  for _, name in ipairs(names) do
    local says, partition = policy_of(policy, name)
    if not strictest or STRICTER[says] > STRICTER[strictest] then
      strictest = says
    end
    if says == "open_to_limit" then
      local own = tonumber(partition.failure_limit)
      local pot = own and "partition " .. name or "cluster"
      local micro = M.cost(job, partition) or math.huge
      pots[pot] = pots[pot] or { limit = own or tonumber(policy.failure_limit) or 0, micro = 0 }
      pots[pot].micro = math.max(pots[pot].micro, micro)
    end
  end
  return strictest or "closed", pots
end

-- { accept, outcome, sentence, why, cost } with the cost in the unit.
function M.decide(bursar, config, job, now)
  local policy = bursar.read_json(config.policy_file)
  if not policy then
    return { accept = false, outcome = "closed", sentence = AWAY .. ". Please try again later.", why = "no policy file" }
  end
  local user = job.user or (job.user_id == 0 and "root") or nil
  if user and has(policy.exempt_users, user) then
    return { accept = true, outcome = "exempt", why = "user " .. user }
  end
  local names = split(job.partition or policy.default_partition or "")
  local exempt = #names > 0
  for _, name in ipairs(names) do
    exempt = exempt and has(policy.exempt_partitions, name)
  end
  if exempt then
    return { accept = true, outcome = "exempt", why = "partition " .. table.concat(names, ",") }
  end
  if policy.enforcement == "shadow" then
    return { accept = true, outcome = "open", why = "shadow mode" }
  end
  if not (job.account or job.default_account) then
    if policy.without_account == "exempt" then
      return { accept = true, outcome = "exempt", why = "no account" }
    end
    local sentence = "A job needs an account to pay for it: name one with --account."
    return { accept = false, outcome = "closed", sentence = sentence, why = "no account" }
  end

  local says, pots = strictest_of(policy, job, names)
  -- Of several partitions the dearest; where one has no price, none is known.
  local dearest = #names > 0 and 0 or nil
  for _, name in ipairs(names) do
    dearest = math.max(dearest, M.cost(job, partition_of(policy, name)) or math.huge)
  end
  local cost = dearest and dearest < math.huge and dearest / MICRO or nil
  if says == "open" then
    return { accept = true, outcome = "open", why = "policy", cost = cost }
  end
  local where = #names == 1 and "partition " .. names[1] or "this cluster"
  local sentence = AWAY .. ", and " .. where .. " takes no job without it. Please try again later."
  if says == "closed" then
    return { accept = false, outcome = "closed", sentence = sentence, why = "policy", cost = cost }
  end
  sentence = AWAY .. ", and this job may not start without it. Please try again later."
  if not cost then
    return { accept = false, outcome = "closed", sentence = sentence, why = "no price is known for it" }
  end
  local counted, why = M.count(bursar, config, pots, now)
  if counted then
    return { accept = true, outcome = "open_to_limit", why = "policy", cost = cost }
  end
  return { accept = false, outcome = "closed", sentence = sentence, why = why, cost = cost }
end

return M
