-- What Bursar's hooks in Slurm share. Lua (5.1 as in Debian's Slurm, or newer), lua-socket and lua-cjson; nothing else, and nothing
-- of one Slurm version.
--
-- A hook sends what Slurm gave it, raw, and does what the service answers. Grammar, prices and decisions are the service's, so that
-- a hook hardly ever needs an upgrade. Only while the service is away does a hook decide by itself, by the policy file.
--
-- The controller holds locks while its script runs: whatever is done here has a deadline, and nothing here may raise beyond it.

local socket = require("socket")
local cjson = require("cjson.safe")
local unpack = table.unpack or unpack

local M = { version = "1" }

-- Reading and writing small files ---------------------------------------------------------------------------------------------

function M.read_file(path)
  local file = path and io.open(path, "r")
  if not file then
    return nil
  end
  local text = file:read("*a")
  file:close()
  return text
end

function M.read_json(path)
  local text = M.read_file(path)
  local value = text and cjson.decode(text)
  if type(value) ~= "table" then
    return nil
  end
  return value
end

-- A reader sees the old file or the new one, also when we are killed half-way.
function M.write_whole(path, text)
  local half = path .. ".new"
  local file = io.open(half, "w")
  if not file then
    return false
  end
  local written = file:write(text)
  local closed = file:close()
  return (written and closed and os.rename(half, path)) and true or false
end

local KEY_BYTES = 16

-- At least one, of 32 hex digits each. No key, no stamp: whoever cannot read /dev/urandom is told by nil.
function M.new_keys(count)
  count = math.max(1, count)
  local file = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(KEY_BYTES * count)
  if file then
    file:close()
  end
  if not bytes or #bytes ~= KEY_BYTES * count then
    return nil
  end
  local keys = {}
  for index = 1, count do
    local own = bytes:sub((index - 1) * KEY_BYTES + 1, index * KEY_BYTES)
    keys[index] = own:gsub(".", function(byte)
      return string.format("%02x", string.byte(byte))
    end)
  end
  return keys
end

function M.new_key()
  local keys = M.new_keys(1)
  return keys and keys[1]
end

-- The stamp -------------------------------------------------------------------------------------------------------------------

-- domain/slurm-stamp.ts reads it by the same rule: "bursar:" at the start of a word, and a key of 8 to 128 signs; the first counts.
local PREFIX, SIGN = "bursar:", "[0-9A-Za-z_-]"
local KEY_MIN, KEY_MAX = 8, 128
local STAMP = "%f[0-9A-Za-z_]" .. PREFIX .. SIGN:rep(KEY_MIN) .. SIGN .. "*"

function M.stamp_in(text)
  local found = type(text) == "string" and text:match(STAMP)
  return found and found:sub(1, #PREFIX + KEY_MAX) or nil
end

-- What was there stays; one stamp, the newest.
function M.stamped(text, stamp)
  if type(text) ~= "string" or text == "" then
    return stamp
  end
  if M.stamp_in(text) then
    return (text:gsub(STAMP, stamp, 1))
  end
  return text .. " " .. stamp
end

-- One HTTP exchange -----------------------------------------------------------------------------------------------------------

local ANSWER_BYTES_MAX = 65536

local function place_of(url)
  local host, port, path = url:match("^http://([^/:]+):?(%d*)(.*)$")
  if not host then
    return nil
  end
  return host, tonumber(port) or 80, (path:gsub("/+$", ""))
end

-- Names are never looked up here: that has no deadline. The installer and the relay do, and write down what they found.
local function addresses_of(host, config)
  if host:match("^%d+%.%d+%.%d+%.%d+$") then
    return { host }
  end
  if host == "localhost" then
    return { "127.0.0.1" }
  end
  local policy = M.read_json(config.policy_file)
  local known = policy and policy.addresses or config.addresses
  return type(known) == "table" and known or {}
end

-- Behind a firewall a connection that nobody uses may die without a word. The service keeps it for longer than this.
local IDLE_SECONDS_MAX = 30

-- A connection, or nil and why not.
local function connect(addresses, host, port, left)
  local why = "the address of " .. host .. " is not known yet; bursar-relay looks it up"
  for _, address in ipairs(addresses) do
    if left() <= 0 then
      return nil, "timeout"
    end
    local tcp = address:find(":", 1, true) and socket.tcp6() or socket.tcp()
    tcp:settimeout(left())
    local ok, refused = tcp:connect(address, port)
    if ok then
      tcp:setoption("tcp-nodelay", true)
      return tcp
    end
    tcp:close()
    why = refused
  end
  return nil, why
end

-- The connection that was kept, if it is still what we would open now: same place, same token, and nobody has closed it.
local function take(kept, place)
  local tcp = kept.tcp
  if not tcp then
    return nil
  end
  kept.tcp = nil
  if kept.place == place and math.abs(socket.gettime() - kept.at) <= IDLE_SECONDS_MAX then
    tcp:settimeout(0)
    local _, why = tcp:receive(1)
    if why == "timeout" then
      return tcp
    end
  end
  tcp:close()
  return nil
end

-- The head of an answer; or nil, why not, and whether not one byte of it came. `stays`: more may be asked over this connection.
local function read_head(step)
  local line, lost, some = step("receive", "*l")
  local minor, status = (line or ""):match("^HTTP/1%.(%d) (%d%d%d)")
  if not status then
    local nothing = not line and lost ~= "timeout" and (some or "") == ""
    return nil, line and "what answers there does not speak HTTP" or lost, nothing
  end
  local head = { status = tonumber(status), stays = minor == "1" }
  repeat
    line, lost = step("receive", "*l")
    if not line then
      return nil, lost
    end
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    name = name and name:lower()
    if name == "content-length" then
      head.length = tonumber(value)
    elseif name == "transfer-encoding" then
      head.is_chunked = value:lower():find("chunked", 1, true) ~= nil
    elseif name == "connection" then
      head.stays = head.stays and not value:lower():find("close", 1, true)
    end
  until line == ""
  return head
end

local TOO_LONG = "an answer of more than " .. ANSWER_BYTES_MAX .. " bytes"

local function read_chunks(step, head)
  local body = ""
  while true do
    local line, lost = step("receive", "*l")
    local size = line and tonumber(line:match("^%x+") or "", 16)
    if not size then
      return nil, lost or "a broken answer"
    end
    if size == 0 then
      head.stays = head.stays and step("receive", "*l") == ""
      return body
    end
    if #body + size > ANSWER_BYTES_MAX then
      return nil, TOO_LONG
    end
    local piece, stopped = step("receive", size)
    if not piece then
      return nil, stopped
    end
    body = body .. piece
    step("receive", "*l")
  end
end

local function read_body(step, head)
  if head.is_chunked then
    return read_chunks(step, head)
  end
  if not head.length then
    head.stays = false
    local body, stopped, rest = step("receive", "*a")
    if not body and stopped == "closed" then
      return rest or ""
    end
    return body, stopped
  end
  if head.length > ANSWER_BYTES_MAX then
    return nil, TOO_LONG
  end
  if head.length <= 0 then
    return ""
  end
  return step("receive", head.length)
end

-- One question over `connection`, which is closed unless the answer has come whole and more may be asked: then `keep` gets it.
-- Status and body; or nil, why not, and whether not one byte of an answer came.
local function converse(connection, request, left, keep)
  local function step(name, ...)
    local rest = left()
    if rest <= 0 then
      return nil, "timeout"
    end
    connection:settimeout(rest)
    connection:settimeout(rest, "t")
    return connection[name](connection, ...)
  end
  local function finish(...)
    connection:close()
    return ...
  end

  local sent, failed = step("send", request)
  if not sent then
    return finish(nil, failed, failed ~= "timeout")
  end
  local head, lost, nothing = read_head(step)
  if not head then
    return finish(nil, lost, nothing)
  end
  local body, broken = read_body(step, head)
  if not body then
    return finish(nil, broken)
  end
  if not (head.stays and keep) then
    return finish(head.status, body)
  end
  keep(connection)
  return head.status, body
end

-- The answer's status and body, or nil and why not. `deadline` bounds all of it: the socket's own patience is counted anew by
-- each operation, so it is set before each to what is left. In `kept`, where there is one, the connection stays for the next question.
local function exchange(config, token, path, text, deadline, full, kept)
  local host, port, base = place_of(config.url or "")
  if not host then
    return nil, "url is not an http address"
  end
  local function left()
    -- A clock that was set back must not lengthen the wait.
    return math.min(deadline - socket.gettime(), full)
  end

  local addresses = addresses_of(host, config)
  local place = table.concat({ host, port, token, unpack(addresses) }, " ")
  local function keep(tcp)
    kept.tcp, kept.place, kept.at = tcp, place, socket.gettime()
  end
  local request = table.concat({
    "POST " .. base .. path .. " HTTP/1.1",
    "Host: " .. host .. ":" .. port,
    "Authorization: Bearer " .. token,
    "Content-Type: application/json",
    "Content-Length: " .. #text,
    "User-Agent: bursar-hook/" .. M.version,
    "Connection: " .. (kept and "keep-alive" or "close"),
    "",
    text,
  }, "\r\n")

  local old = kept and take(kept, place)
  if old then
    local status, body, nothing = converse(old, request, left, keep)
    -- Closed under our question, as by a service that was just started anew. Its key makes it safe to ask again.
    if not nothing then
      return status, body
    end
  end
  local connection, why = connect(addresses, host, port, left)
  if not connection then
    return nil, why
  end
  return converse(connection, request, left, kept and keep)
end

-- Asks, until `deadline`. The answer as a table; or nil, why, and the status where there was one. `kept` is a table of the caller's
-- in which the connection stays between two questions; without one it is closed.
function M.ask(config, token, path, question, deadline, full, kept)
  if not token or token == "" then
    return nil, "no key: is token_file readable?"
  end
  local text, unfit = cjson.encode(question)
  if not text then
    return nil, unfit
  end
  local done, status, body = pcall(exchange, config, token, path, text, deadline, full, kept)
  if not done then
    return nil, tostring(status)
  end
  if not status then
    return nil, tostring(body)
  end
  local answer = cjson.decode(body)
  if status == 200 and type(answer) == "table" then
    return answer, nil, 200
  end
  local detail = type(answer) == "table" and type(answer.detail) == "string" and answer.detail or "no reason given"
  return nil, "HTTP " .. status .. ": " .. detail, status
end

function M.token(config)
  if type(config.token) == "string" then
    return config.token
  end
  local text = M.read_file(config.token_file)
  return text and text:match("^%s*(%S+)%s*$")
end

M.now = socket.gettime
M.encode = cjson.encode

-- Facts -----------------------------------------------------------------------------------------------------------------------

-- What Slurm's C puts where nobody said anything, in 16, 32 and 64 bits. INFINITE of a time limit is an answer, and stays. Of the
-- numbers only these are of 16 bits; 65534 is an ordinary job id.
local SCRIPT_BYTES_MAX = 65536
local SIXTEEN_BITS = { cpus_per_task = true, ntasks_per_node = true, ntasks_per_socket = true, ntasks_per_tres = true }

function M.said(value, name)
  local kind = type(value)
  if kind == "number" then
    local unsaid = value == 4294967294 or value == -2 or value >= 1.8e19 or value ~= value
    if unsaid or (SIXTEEN_BITS[name] and value >= 65534) then
      return nil
    end
    return value
  end
  if kind == "string" then
    return value ~= "" and value or nil
  end
  if kind == "boolean" then
    return value
  end
  return nil
end

-- `{ name on the wire = name in Slurm }`; whatever this Slurm does not know is left out.
function M.facts(thing, names)
  local facts = {}
  for wire, name in pairs(names) do
    local there, value = pcall(function()
      return thing[name]
    end)
    if there then
      facts[wire] = M.said(value, wire)
    end
  end
  if facts.script then
    facts.script = facts.script:sub(1, SCRIPT_BYTES_MAX)
  end
  return facts
end

-- The spool -------------------------------------------------------------------------------------------------------------------

-- Four kinds of records; of each one file that grows and one that is being sent.
local PARTS_OF_SPOOL = 8

-- Appends one line. False and why where it was dropped: the comparison with sacct mends that. The line begins with an empty one,
-- because the last may have been cut off by a full disk or a kill; a buffer of its own size makes it one write.
function M.spool(config, name, record)
  local text, unfit = cjson.encode(record)
  if not text then
    return false, unfit
  end
  local path = (config.spool or "/var/spool/bursar") .. "/" .. name .. ".ndjson"
  local file, refused = io.open(path, "a")
  if not file then
    return false, refused
  end
  local function drop(why)
    local count = io.open(path .. ".dropped", "a")
    if count then
      count:write(".")
      count:close()
    end
    return false, why
  end
  local size = file:seek("end") or 0
  if size + #text > (config.spool_bytes or 1073741824) / PARTS_OF_SPOOL then
    file:close()
    return drop(path .. " is full")
  end
  text = "\n" .. text .. "\n"
  file:setvbuf("full", #text + 1)
  local written, failed = file:write(text)
  local closed, lost = file:close()
  if written and closed then
    return true
  end
  return drop(tostring(failed or lost))
end

return M
