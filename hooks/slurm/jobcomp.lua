-- Bursar in jobcomp/lua: one line for each run that ended, appended to a local file. Never the network: this runs inside the
-- controller. bursar-relay sends the lines. What cannot be written is found again by the comparison with sacct.
--
-- Written by `bursar slurm install`, which writes it again; change nothing here. A site's own script is jobcomp.site.lua.

local PLACE = os.getenv("BURSAR_SLURM_HOOKS") or "/usr/lib/bursar/slurm"
local CONFIG = os.getenv("BURSAR_SLURM_CONFIG") or "/etc/bursar/slurm.json"
local SITE = false

local bursar = dofile(PLACE .. "/bursar.lua")

local FIELDS = {}
for name in
  ([[
    job_id array_job_id array_task_id array_task_cnt array_task_str het_job_id het_job_offset job_state submit_time eligible_time
    start_time end_time suspend_time pre_sus_time tot_sus_time restart_cnt time_limit tres_alloc_str tres_fmt_alloc_str tres_req_str
    tres_fmt_req_str admin_comment comment account partition qos reservation resv_name wckey user_id user_name group_id group_name
    nodes node_cnt proc_cnt total_cpus total_nodes exit_code derived_ec job_name name work_dir state_reason_prev state_reason
    state_desc failed_node db_index sluid
  ]]):gmatch("%S+")
do
  FIELDS[name] = name
end

local site_record
if SITE then
  dofile(SITE)
  site_record = slurm_jobcomp_log_record
end

local dropped = 0

function slurm_jobcomp_log_record(record)
  local done, kept, why = pcall(function()
    local line = bursar.facts(record, FIELDS)
    line.source = "jobcomp"
    line.at = math.floor(bursar.now())
    return bursar.spool(bursar.read_json(CONFIG) or {}, "jobcomp", line)
  end)
  if not (done and kept) then
    dropped = dropped + 1
    -- One line of the log for each thousand: a full disk needs no fuller log.
    if dropped % 1000 == 1 then
      pcall(slurm.log_error, "bursar: a record is lost (%d so far): %s", dropped, tostring(done and why or kept))
    end
  end
  if site_record then
    local fine, code = pcall(site_record, record)
    return fine and type(code) == "number" and code or slurm.SUCCESS
  end
  return slurm.SUCCESS
end

return slurm.SUCCESS
