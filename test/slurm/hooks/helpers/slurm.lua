-- Plays Slurm for one hook: `lua5.1 slurm.lua HOOK`. Each line of standard input is one call, each line of output what came of it.
local cjson = require("cjson")
local socket = require("socket")

-- A call may say what time it is, in `now`; else it is what the machine's clock says.
local clock, said = socket.gettime, nil
socket.gettime = function()
  return said or clock()
end

local told, logged = {}, {}
local function into(list)
  return function(...)
    list[#list + 1] = string.format(...)
    return 0
  end
end

io.stderr = {
  write = function(_, text)
    told[#told + 1] = text
  end,
}

slurm = {
  SUCCESS = 0,
  ERROR = -1,
  ESLURM_ACCOUNTING_POLICY = 2050,
  NO_VAL = 4294967294,
  NO_VAL16 = 65534,
  NO_VAL64 = 1.8446744073709552e19,
  INFINITE = 4294967295,
  log_user = into(told),
  log_info = into(logged),
  log_error = into(logged),
  log_debug = into(logged),
}

assert(dofile(arg[1]) == slurm.SUCCESS)
local bursar = dofile(os.getenv("BURSAR_SLURM_HOOKS") .. "/bursar.lua")

-- As Slurm's own records: fields are asked for one by one, and nothing but text and numbers can be put into them.
local function record_of(fields)
  return setmetatable({}, {
    __index = function(_, name)
      local value = fields[name]
      return value ~= cjson.null and value or nil
    end,
    __newindex = function(_, name, value)
      assert(type(value) == "string" or type(value) == "number")
      fields[name] = value
    end,
  })
end

local unsaid = {
  time_limit = slurm.NO_VAL,
  min_nodes = slurm.NO_VAL,
  max_nodes = slurm.NO_VAL,
  num_tasks = slurm.NO_VAL,
  cpus_per_task = slurm.NO_VAL16,
  min_cpus = slurm.NO_VAL,
  het_job_offset = slurm.NO_VAL,
}
local function described(fields)
  for name, value in pairs(unsaid) do
    fields[name] = fields[name] or value
  end
  return fields
end

for line in io.lines() do
  local call = cjson.decode(line)
  told, logged = {}, {}
  slurm.log_user, slurm.log_info, slurm.log_error = into(told), into(logged), into(logged)
  said = call.now
  local began = clock()
  local code, stamp
  local fields = call.job or {}
  if call.call == "submit" then
    code = slurm_job_submit(record_of(described(fields)), {}, call.uid or fields.user_id or 1000)
  elseif call.call == "modify" then
    code = slurm_job_modify(record_of(described(fields)), record_of(call.record), {}, call.uid or 1000)
  elseif call.call == "record" then
    code = slurm_jobcomp_log_record(record_of(fields))
  elseif call.call == "filter" then
    code = slurm_cli_pre_submit(record_of(fields), 0)
  elseif call.call == "stamp" then
    stamp = bursar.stamp_in(call.comment)
  end
  io.write(cjson.encode({
    code = code,
    told = table.concat(told, "\n"),
    logged = table.concat(logged, "\n"),
    comment = fields.admin_comment,
    stamp = stamp,
    ms = (clock() - began) * 1000,
  }), "\n")
  io.flush()
end
