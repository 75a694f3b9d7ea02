-- Runs one hook once, outside of Slurm: `lua try.lua HOOK submit|record|estimate [NAME=VALUE ...]`. For `bursar slurm doctor`, and
-- for whoever wants to see what a hook does. Prints one line of JSON.

local cjson = require("cjson")
local socket = require("socket")

local hook, act = arg[1], arg[2]
local fields = {}
for index = 3, #arg do
  local name, value = arg[index]:match("^(%w[%w_-]*)=(.*)$")
  fields[name] = tonumber(value) or value
end

local told, logged = {}, {}
local function into(list)
  return function(...)
    list[#list + 1] = string.format(...)
    return 0
  end
end

-- What a hook prints for the user.
io.stderr = {
  write = function(_, text)
    told[#told + 1] = text
  end,
}

slurm = setmetatable({
  SUCCESS = 0,
  ERROR = -1,
  ESLURM_ACCOUNTING_POLICY = 2050,
  NO_VAL = 4294967294,
  log_user = into(told),
  log_info = into(logged),
  log_error = into(logged),
  log_debug = into(logged),
}, {
  -- Whatever else a site's own script asks of it.
  __index = function(_, name)
    return name:match("^log_") and into(logged) or nil
  end,
})

dofile(hook)
local began = socket.gettime()
local code
if act == "submit" then
  code = slurm_job_submit(fields, {}, tonumber(fields.user_id) or 0)
elseif act == "record" then
  code = slurm_jobcomp_log_record(fields)
else
  code = slurm_cli_pre_submit(fields, 0)
end
print(cjson.encode({
  code = code,
  told = table.concat(told, "\n"),
  logged = table.concat(logged, "\n"),
  comment = fields.admin_comment,
  ms = math.floor((socket.gettime() - began) * 1000),
}))
