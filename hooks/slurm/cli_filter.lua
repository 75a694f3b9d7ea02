-- Bursar in cli_filter/lua: says in sbatch, salloc and srun what the job would cost, where the site wants it (`show`). It never
-- refuses, and says nothing while Bursar is away. Its key, which everybody can read, may do nothing but ask for prices.
--
-- Written by `bursar slurm install`, which writes it again; change nothing here. A site's own script is cli_filter.site.lua.

local PLACE = os.getenv("BURSAR_SLURM_HOOKS") or "/usr/lib/bursar/slurm"
local CONFIG = os.getenv("BURSAR_CLI_CONFIG") or "/etc/bursar/cli.json"
local SITE = false

local there, bursar = pcall(function()
  local bursar = dofile(PLACE .. "/bursar.lua")
  return bursar
end)

local site = {}
if SITE then
  dofile(SITE)
  site = { defaults = slurm_cli_setup_defaults, pre = slurm_cli_pre_submit, post = slurm_cli_post_submit }
end

local function option(options, ...)
  for _, name in ipairs({ ... }) do
    local known, value = pcall(function()
      return options[name]
    end)
    -- What this command has no option for, such as srun for arrays, is "invalid-context".
    if known and type(value) == "string" and value ~= "" and value ~= "invalid-context" then
      return value
    end
  end
  return nil
end

-- Slurm's times: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S. Nobody said one: thousands of years.
local function minutes_of(text)
  if not text then
    return nil
  end
  if text:upper() == "UNLIMITED" or text:upper() == "INFINITE" then
    return 4294967295
  end
  local days, rest = text:match("^(%d+)%-(.+)$")
  local parts = {}
  for part in (rest or text):gmatch("%d+") do
    parts[#parts + 1] = tonumber(part)
  end
  if #parts == 0 or #parts > 3 or not (rest or text):match("^[%d:]+$") then
    return nil
  end
  local minutes
  if days then
    minutes = tonumber(days) * 1440 + parts[1] * 60 + (parts[2] or 0) + (parts[3] and parts[3] > 0 and 1 or 0)
  elseif #parts == 3 then
    minutes = parts[1] * 60 + parts[2] + (parts[3] > 0 and 1 or 0)
  else
    minutes = parts[1] + (parts[2] and parts[2] > 0 and 1 or 0)
  end
  return minutes < 525600000 and minutes or nil
end

local MEGABYTES = { [""] = 1, K = 1 / 1024, M = 1, G = 1024, T = 1048576 }

local function megabytes_of(text)
  local number, suffix = (text or ""):match("^(%d+%.?%d*)([KMGTkmgt]?)")
  number = tonumber(number)
  return number and number > 0 and math.ceil(number * MEGABYTES[suffix:upper()]) or nil
end

-- One number, the first of a range.
local function count_of(text)
  local number = tonumber((text or ""):match("^(%d+)"))
  return number and number > 0 and number < 4294967294 and number or nil
end

-- `a100:2` or `2`, as job_submit would see it.
local function gpus_of(text)
  return text and "gres:gpu:" .. text or nil
end

local function joined(...)
  local words = {}
  for index = 1, select("#", ...) do
    words[#words + 1] = select(index, ...)
  end
  return #words > 0 and table.concat(words, ",") or nil
end

local function job_of(options)
  local nodes = option(options, "nodes")
  return {
    user = os.getenv("USER"),
    account = option(options, "account"),
    partition = option(options, "partition"),
    qos = option(options, "qos"),
    reservation = option(options, "reservation"),
    array = option(options, "array"),
    time_limit = minutes_of(option(options, "time")),
    min_nodes = count_of(nodes),
    max_nodes = nodes and count_of(nodes:match("%-(%d+)$")),
    num_tasks = count_of(option(options, "ntasks")),
    ntasks_per_node = count_of(option(options, "ntasks-per-node")),
    cpus_per_task = count_of(option(options, "cpus-per-task")),
    min_mem_per_node = megabytes_of(option(options, "mem")),
    min_mem_per_cpu = megabytes_of(option(options, "mem-per-cpu")),
    tres_per_job = gpus_of(option(options, "gpus")),
    tres_per_node = joined(option(options, "gres"), gpus_of(option(options, "gpus-per-node"))),
    tres_per_socket = gpus_of(option(options, "gpus-per-socket")),
    tres_per_task = gpus_of(option(options, "gpus-per-task")),
  }
end

local function tell_price(options)
  -- A step in an allocation costs nothing of its own.
  if os.getenv("SLURM_JOB_ID") and option(options, "type") == "srun" then
    return
  end
  local quiet = tonumber(option(options, "quiet"))
  local config = bursar.read_json(CONFIG)
  if not config or config.show ~= true or (quiet and quiet > 0) then
    return
  end
  local full = (tonumber(config.deadline_ms) or 300) / 1000
  local question = { cluster = config.cluster, job = job_of(options) }
  local answer = bursar.ask(config, bursar.token(config), "/api/v1/slurm/estimates", question, bursar.now() + full, full)
  if answer and type(answer.message) == "string" and answer.message ~= "" then
    io.stderr:write((option(options, "type") or "bursar") .. ": " .. answer.message .. "\n")
  end
end

function slurm_cli_setup_defaults(options, early)
  return site.defaults and site.defaults(options, early) or slurm.SUCCESS
end

function slurm_cli_pre_submit(options, offset)
  local code = site.pre and site.pre(options, offset) or slurm.SUCCESS
  if code == slurm.SUCCESS and there then
    pcall(tell_price, options)
  end
  return code
end

function slurm_cli_post_submit(offset, job_id, step_id)
  return site.post and site.post(offset, job_id, step_id) or slurm.SUCCESS
end

return slurm.SUCCESS
