-- Bursar in job_submit/lua: may this job start? Written by `bursar slurm install`, which writes it again; change nothing here.
--
-- Slurm accepts a job whose script raises an error, so everything runs inside pcall, and an error of ours refuses. It holds its locks
-- while it waits for us: one exchange, with a deadline over all of it, and none at all while the breaker is open.
--
-- A site's own script is job_submit.site.lua beside this file. It is asked first, and touching this file makes Slurm read both again.

local PLACE = os.getenv("BURSAR_SLURM_HOOKS") or "/usr/lib/bursar/slurm"
local CONFIG = os.getenv("BURSAR_SLURM_CONFIG") or "/etc/bursar/slurm.json"
local SITE = false

local bursar = dofile(PLACE .. "/bursar.lua")
local alone = dofile(PLACE .. "/alone.lua")
local spares = dofile(PLACE .. "/spares.lua")

local site = {}
if SITE then
  dofile(SITE)
  site.submit, site.modify = slurm_job_submit, slurm_job_modify
end

local REFUSED = slurm.ESLURM_ACCOUNTING_POLICY or slurm.ERROR

-- Between calls only these live, and only until Slurm reads the script again.
local breaker = { failures = 0, closed_until = 0 }
local hets = {}
local kept_connection = {}

-- Facts by their names on the wire; where Slurm has another name for one it stands behind "=".
local function named(words)
  local names = {}
  for word in words:gmatch("%S+") do
    local wire, name = word:match("^(.+)=(.+)$")
    names[wire or word] = name or word
  end
  return names
end

local OWNER = " user=user_name user_id default_account "
local PRICE = " account partition time_limit min_nodes max_nodes num_tasks ntasks_per_node cpus_per_task min_cpus min_mem_per_node"
  .. " min_mem_per_cpu tres_per_job tres_per_node tres_per_socket tres_per_task gres qos reservation "
local SUBMITTED = named(OWNER .. PRICE .. "array=array_inx name work_dir het_offset=het_job_offset script alloc_node")
local RECORDED = named(
  OWNER .. PRICE .. "name job_state submit_time start_time end_time restart_cnt array=array_task_str array_job_id array_task_id"
  .. " array_task_cnt het_job_id het_offset=het_job_offset total_cpus total_nodes tres_req_str"
)
-- What makes a job dearer or cheaper. Holding, releasing, renaming and the like are nobody's business here.
local PRICED = named(PRICE)

local function log(format, ...)
  slurm.log_info("bursar: " .. format, ...)
end

-- Lines of the log and of the terminal go through a C format.
local function tell(text)
  slurm.log_user("%s", text)
end

local function deadline_of(config)
  return (tonumber(config.deadline_ms) or 500) / 1000
end

-- The answer, or nil and why. Answers that say that the question was wrong are answers: another one would not be better.
local function ask(config, path, question, began)
  local full = deadline_of(config)
  local limits = type(config.breaker) == "table" and config.breaker or {}
  local now = bursar.now()
  -- Not longer than it was opened for, whatever the clock did meanwhile.
  local pause = tonumber(limits.seconds) or 10
  if now < breaker.closed_until and breaker.closed_until - now <= pause then
    return nil, "not asked: it did not answer a moment ago"
  end
  local answer, why, status = bursar.ask(config, bursar.token(config), path, question, began + full, full, kept_connection)
  if status and status < 500 then
    if breaker.closed_until > 0 then
      log("the service answers again")
    end
    breaker.failures, breaker.closed_until = 0, 0
    return answer, why, status
  end
  breaker.failures = breaker.failures + 1
  if breaker.failures >= (tonumber(limits.failures) or 2) then
    breaker.closed_until = bursar.now() + pause
    log("the service does not answer (%s); it is not asked for %s s", tostring(why), tostring(pause))
  end
  return nil, why
end

local function is_unreadable(status)
  return status == 400 or status == 413 or status == 422
end

-- Components of a heterogeneous job come one by one, and nothing says which belong together but their owner, host and order.
-- Where two could be meant none is: looks at the queue give back what is left over.
local function het_of(job, now)
  local offset = job.het_offset
  if not offset then
    return nil
  end
  local owner = tostring(job.user_id) .. "@" .. tostring(job.alloc_node)
  local same = {}
  for _, each in ipairs(hets[owner] or {}) do
    if now - each.at < 60 then
      same[#same + 1] = each
    end
  end
  hets[owner] = same
  if offset == 0 then
    local het = { at = now, keys = {}, seen = 0, doubtful = false }
    same[#same + 1] = het
    return het
  end
  local found
  for _, each in ipairs(same) do
    if each.seen == offset then
      if found then
        found.doubtful, each.doubtful = true, true
      end
      found = found or each
    end
  end
  return found
end

local function forget_old_hets(now)
  for owner, list in pairs(hets) do
    if #list == 0 or now - list[#list].at >= 60 then
      hets[owner] = nil
    end
  end
end

local function give_back(config, het, began)
  if not het or het.doubtful or #het.keys == 0 then
    return
  end
  local question = { cluster = config.cluster, keys = het.keys, reason = "a later component of the job was refused" }
  local answer, why = ask(config, "/api/v1/slurm/withdrawals", question, began)
  log("holds of %s components before a refused one: %s", tostring(#het.keys), answer and "given back" or "left to the next looks at the queue, " .. tostring(why))
  het.keys = {}
end

-- Before somebody is asked about, so that he is not refused for money which nobody needs any more. A quarter of the time may go for
-- it: what is not given back now is with the next question, or by the looks at the queue.
local function give_back_spares(config, began)
  local keys = spares.unused()
  if #keys == 0 or bursar.now() < breaker.closed_until then
    return
  end
  local full = deadline_of(config) / 4
  local question = { cluster = config.cluster, keys = keys, reason = "held beforehand for another job like the one before it, and none came" }
  if bursar.ask(config, bursar.token(config), "/api/v1/slurm/withdrawals", question, began + full, full, kept_connection) then
    spares.given_back()
  end
end

-- Changes stand among the submissions: they are taken up in the order in which they were decided.
local function write_down(config, record, decision, why, began)
  record.at = math.floor(began)
  record.outcome = decision.outcome
  record.cost = decision.cost
  record.why = decision.why .. "; " .. why
  local written, lost = bursar.spool(config, "submit", record)
  if not written then
    slurm.log_error("bursar: what was decided alone is not written down: %s", tostring(lost))
  end
end

local function submit(job_desc)
  local began = bursar.now()
  local config = assert(bursar.read_json(CONFIG), CONFIG .. " cannot be read")
  local job = bursar.facts(job_desc, SUBMITTED)
  -- A component of a heterogeneous job may have to give its hold back.
  local spare, wanted = spares.take(not job.het_offset and bursar.encode(job) or nil, began, config.spares)
  local keys = spare and { spare } or assert(bursar.new_keys(1 + wanted), "/dev/urandom cannot be read")
  local key = table.remove(keys, 1)
  job_desc.admin_comment = bursar.stamped(job_desc.admin_comment, "bursar:" .. key)
  if spare then
    return slurm.SUCCESS
  end

  forget_old_hets(began)
  local het = het_of(job, began)
  if het then
    het.seen = het.seen + 1
  end
  local function refuse(sentence)
    tell(sentence)
    give_back(config, het, began)
    return REFUSED
  end

  local question = { cluster = config.cluster, key = key, job = job }
  if #keys > 0 then
    question.spares = { keys = keys, seconds = spares.seconds }
  end
  give_back_spares(config, began)
  local answer, why, status = ask(config, "/api/v1/slurm/submissions", question, began)
  spares.keep(keys, answer, began)
  if answer and type(answer.accept) == "boolean" then
    local sentence = type(answer.message) == "string" and answer.message ~= "" and answer.message
    if not answer.accept then
      log("user %s refused: %s", tostring(job.user or job.user_id), sentence or "no reason given")
      return refuse(sentence or "Bursar refuses this job, and gives no reason.")
    end
    if het then
      het.keys[#het.keys + 1] = key
    end
    return slurm.SUCCESS
  end
  if is_unreadable(status) then
    -- By the failure policy it would pass, and whoever found out how to be misunderstood would compute for nothing.
    log("user %s refused: %s", tostring(job.user or job.user_id), tostring(why))
    return refuse("Bursar does not understand this job. " .. tostring(why))
  end

  local decision = alone.decide(bursar, config, job, began)
  why = tostring(why or "its answer makes no sense")
  log("service away (%s); %s for user %s (%s), key %s", why, decision.outcome, tostring(job.user or job.user_id), decision.why, key)
  job.script = nil
  write_down(config, { source = "submit", key = key, job = job }, decision, why, began)
  if not decision.accept then
    return refuse(decision.sentence)
  end
  if het then
    het.keys[#het.keys + 1] = key
  end
  return slurm.SUCCESS
end

local function is_less(before, changes)
  for wire in pairs(changes) do
    if wire ~= "time_limit" then
      return false
    end
  end
  return before.time_limit ~= nil and changes.time_limit <= before.time_limit
end

-- As if the changed job were a new one, which counts too much rather than too little.
local function decide_change(config, record, changes, began)
  if is_less(record, changes) then
    return { accept = true, outcome = "open", why = "the job becomes shorter" }
  end
  local after = {}
  for wire, value in pairs(record) do
    after[wire] = value
  end
  for wire, value in pairs(changes) do
    after[wire] = value
  end
  return alone.decide(bursar, config, after, began)
end

-- Slurm asks us before it asks whether the job is his who changes it (22.05): nobody moves the money of another's job. Root and
-- SlurmUser, whose process this is, may change any.
local function is_stranger(uid, owner)
  if uid == 0 or uid == owner or type(owner) ~= "number" then
    return false
  end
  local status = bursar.read_file("/proc/self/status")
  return uid ~= tonumber(status and status:match("\nUid:%s+(%d+)"))
end

local function modify(job_desc, job_rec, uid)
  local began = bursar.now()
  local before = job_rec.admin_comment
  -- An administrator who writes a comment of his own does not mean the stamp.
  if bursar.stamp_in(before) and type(job_desc.admin_comment) == "string" and not bursar.stamp_in(job_desc.admin_comment) then
    job_desc.admin_comment = bursar.stamped(job_desc.admin_comment, bursar.stamp_in(before))
  end
  local changes = bursar.facts(job_desc, PRICED)
  if next(changes) == nil or is_stranger(uid, job_rec.user_id) then
    return slurm.SUCCESS
  end
  local config = assert(bursar.read_json(CONFIG), CONFIG .. " cannot be read")
  local key = assert(bursar.new_key(), "/dev/urandom cannot be read")
  local record = bursar.facts(job_rec, RECORDED)
  local job_id = job_rec.job_id
  spares.take(nil, began)
  give_back_spares(config, began)
  local answer, why, status = ask(config, "/api/v1/slurm/modifications", {
    cluster = config.cluster,
    job_id = job_id,
    stamp = before,
    new_key = key,
    job = record,
    changes = changes,
    at = math.floor(began),
  }, began)
  if answer and type(answer.accept) == "boolean" then
    if answer.accept then
      -- Slurm lets nobody else change the comment; the service has bound the new hold to the job itself.
      if type(answer.stamp) == "string" and uid == 0 then
        job_desc.admin_comment = bursar.stamped(job_desc.admin_comment or before, answer.stamp)
      end
      return slurm.SUCCESS
    end
    log("change of job %s refused: %s", tostring(job_id), tostring(answer.message))
    tell(type(answer.message) == "string" and answer.message or "Bursar refuses this change.")
    return REFUSED
  end
  if is_unreadable(status) then
    log("change of job %s refused: %s", tostring(job_id), tostring(why))
    tell("Bursar does not understand this change. " .. tostring(why))
    return REFUSED
  end
  why = tostring(why or "its answer makes no sense")
  local decision = decide_change(config, record, changes, began)
  log("service away (%s); change of job %s: %s (%s)", why, tostring(job_id), decision.outcome, decision.why)
  local written = { source = "modify", key = key, job_id = job_id, stamp = before, job = record, changes = changes }
  write_down(config, written, decision, why, began)
  if decision.accept then
    return slurm.SUCCESS
  end
  tell(decision.sentence)
  return REFUSED
end

-- Uninstalled by force, or by hand, under a controller that still runs with the hooks.
local function is_taken_away()
  local file, _, errno = io.open(CONFIG)
  if file then
    file:close()
  end
  return errno == 2
end

-- A mistake of ours lets nobody in but root, who may be mending it.
local function guarded(act, uid, ...)
  local done, code = pcall(act, ...)
  if done and type(code) == "number" then
    return code
  end
  pcall(slurm.log_error, "bursar: %s", tostring(code))
  if uid == 0 then
    return slurm.SUCCESS
  end
  local what = "has failed"
  if is_taken_away() then
    what = "is not installed here any more, and slurmctld has not been restarted since: it takes no job until then"
  end
  pcall(tell, "Bursar, which keeps the budgets, " .. what .. ". Please tell your administrators.")
  return REFUSED
end

-- The site's answer where it is a no. As without us, an error in it refuses nobody.
local function site_says(act, ...)
  if not act then
    return nil
  end
  local done, code = pcall(act, ...)
  if not done then
    slurm.log_error("bursar: job_submit.site.lua: %s", tostring(code))
  elseif type(code) == "number" and code ~= slurm.SUCCESS then
    return code
  end
  return nil
end

function slurm_job_submit(job_desc, part_list, submit_uid)
  return site_says(site.submit, job_desc, part_list, submit_uid) or guarded(submit, submit_uid, job_desc)
end

function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
  return site_says(site.modify, job_desc, job_rec, part_list, modify_uid)
    or guarded(modify, modify_uid, job_desc, job_rec, modify_uid)
end

log("hook %s, configured by %s", bursar.version, CONFIG)
return slurm.SUCCESS
