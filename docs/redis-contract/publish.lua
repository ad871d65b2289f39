
local meta, log = KEYS[1], KEYS[2]
local known_e, known_n, known_i = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', meta, 'e', 'n', 'i', 'b', 'ab', 'k', 'v')
if state[7] and state[7] ~= '1' then
  return redis.error_reply('NESVERSION ' .. meta .. ' is of version ' .. state[7] .. ' of the contract, and this is version 1')
end
local e, n, i, b = state[1], tonumber(state[2]), state[3], tonumber(state[4])
local archive_bytes = tonumber(state[5]) or 0
local prefix = string.match(meta, '^(.*):meta$')
local max_events, max_age, max_bytes, max_archive_bytes = ARGV[5], ARGV[6], ARGV[7], ARGV[10]
local bounds = table.concat({ max_events, max_age, max_bytes, max_archive_bytes }, ' ')
local BOUNDS = '^(%d+) (%d+) (%d+) (%d+)$'
if ARGV[9] == '2' and string.match(state[6] or '', BOUNDS) then
  max_events, max_age, max_bytes, max_archive_bytes = string.match(state[6], BOUNDS)
end

local function archive_key(kind, epoch, topic)
  return prefix .. ':' .. kind .. ':' .. epoch .. (topic and ':' .. topic or '')
end

-- Another epoch has begun: what is kept of the one before is for nobody.
local function forget(epoch)
  local by_age, due = archive_key('by-age', epoch), archive_key('due', epoch)
  for _, known in ipairs({ by_age, due }) do
    for _, topic in ipairs(redis.call('ZRANGE', known, 0, -1)) do
      redis.call('UNLINK', archive_key('kept', epoch, topic), archive_key('topic', epoch, topic))
    end
  end
  redis.call('UNLINK', by_age, due)
  archive_bytes = 0
end

local function is_behind()
  if e ~= known_e then return e < known_e end
  return n < known_n or (n == known_n and i ~= known_i)
end

local function time_after(epoch)
  local high, low = string.match(epoch or '', '^(%x%x%x%x%x)(%x%x%x%x%x%x)')
  return high and tonumber(high, 16) * 0x1000000 + tonumber(low, 16) + 1 or 0
end

local function begin()
  local old = e
  local begun = math.max(now, time_after(known_e), time_after(e))
  e = string.format('%05x%06x', math.floor(begun / 0x1000000), begun % 0x1000000) .. ARGV[1]
  n, i, b = 0, i or '0-0', 0
  redis.call('HSET', meta, 'e', e, 'n', 0, 'i', i, 'b', 0, 'ab', 0)
  if old then forget(old) end
end

if not (e and n and i) or n >= 2^53 - #ARGV or is_behind() then
  redis.call('XTRIM', log, 'MAXLEN', 0)
  begin()
end
if ARGV[9] ~= '0' then
  redis.call('HSET', meta, 'n', string.format('%.0f', n), 'v', 1)
  if ARGV[9] == '1' and state[6] ~= bounds then redis.call('HSET', meta, 'k', bounds) end
end

local added = false

local function failure(reply)
  return type(reply) == 'table' and reply.err
end

local trouble = false

local function try(...)
  local reply = redis.pcall(...)
  if failure(reply) then trouble = reply.err end
  return reply
end


local OVERHEAD = 200

local function kept_of(json)
  return json ~= '' and cjson.decode(json) or {}
end

-- Not the offset alone: a stream takes no id twice, and this event may be refused, and another one get its offset.
local function next_id()
  return string.format('%.0f-%.0f', n + 1, now)
end

local function keep(kept, header, data)
  local id = next_id()
  for index, topic in ipairs(kept) do
    local stream = archive_key('kept', e, topic[1])
    local reply = redis.pcall('XADD', stream, id, 'h', header, 'd', data, 't', string.format('%.0f', now))
    if failure(reply) then
      for earlier = 1, index - 1 do redis.pcall('XDEL', archive_key('kept', e, kept[earlier][1]), id) end
      return reply.err
    end
  end
end

local function unkeep(kept)
  local id = next_id()
  for _, topic in ipairs(kept) do redis.pcall('XDEL', archive_key('kept', e, topic[1]), id) end
end

local function field(entry, name)
  for index = 1, #entry[2], 2 do
    if entry[2][index] == name then return entry[2][index + 1] end
  end
end

local function offset_of(entry)
  return string.match(entry[1], '^(%d+)-')
end

local function oldest_of(name)
  local found = try('XRANGE', archive_key('kept', e, name), '-', '+', 'COUNT', 1)
  return not failure(found) and found[1] or nil
end

local function mode_of(name)
  return tonumber(try('HGET', archive_key('topic', e, name), 'w')) or 0
end

local function remove(name, entry, mode)
  try('XDEL', archive_key('kept', e, name), entry[1])
  if mode > 0 then return end
  archive_bytes = math.max(archive_bytes - #field(entry, 'h') - #field(entry, 'd') - OVERHEAD, 0)
end

-- Loses the oldest event of a topic; gives the one after it, if there is any.
local function lose_oldest(name, entry, mode)
  remove(name, entry, mode)
  try('HSET', archive_key('topic', e, name), 'o', offset_of(entry), 'l', field(entry, 't'))
  return oldest_of(name)
end

-- Says in the sorted sets which event of a topic is the oldest now.
local function order(name, oldest, keep_for, mode, is_new)
  if not oldest then
    try('ZREM', archive_key('by-age', e), name)
    try('ZREM', archive_key('due', e), name)
    local remembered = math.max(keep_for * 2, 3600000)
    try('PEXPIRE', archive_key('topic', e, name), string.format('%.0f', remembered))
    return
  end
  if mode == 0 then try('ZADD', archive_key('by-age', e), offset_of(oldest), name) end
  if mode == 2 then
    if is_new then try('ZADD', archive_key('due', e), string.format('%.0f', now + keep_for), name) end
  elseif keep_for > 0 then
    try('ZADD', archive_key('due', e), string.format('%.0f', field(oldest, 't') + keep_for), name)
  else
    try('ZREM', archive_key('due', e), name)
  end
end

-- Removes the event that this one replaces.
local function replace(name, key, mode)
  local hash, known = archive_key('topic', e, name), 'k:' .. key
  local before = try('HGET', hash, known)
  if before and not failure(before) then
    local entries = try('XRANGE', archive_key('kept', e, name), before, before)
    if not failure(entries) and entries[1] then remove(name, entries[1], mode) end
  end
  try('HSET', hash, known, string.format('%.0f', n))
end

-- What was kept is ordered: counts it, and holds each topic to its own bounds.
local function note(kept, size)
  for _, topic in ipairs(kept) do
    local name, keep_for, keep_events, latest, key = topic[1], topic[2], topic[3], topic[4], topic[5]
    local stream, hash = archive_key('kept', e, name), archive_key('topic', e, name)
    local mode = topic[6] or 0
    if mode == 0 then archive_bytes = archive_bytes + size + OVERHEAD end
    if mode == 0 then try('HSET', hash, 'f', keep_for) else try('HSET', hash, 'f', keep_for, 'w', mode) end
    try('PERSIST', hash)
    if latest == 1 and key then replace(name, key, mode) end
    local oldest, count = oldest_of(name), try('XLEN', stream)
    while oldest and type(count) == 'number' and keep_events > 0 and count > keep_events do
      oldest, count = lose_oldest(name, oldest, mode), count - 1
    end
    order(name, oldest, keep_for, mode, true)
  end
end

-- Loses what is too old, a part of it in each step, and then the oldest of all, until there is room.
local function trim_archive(max_bytes)
  local due = try('ZRANGEBYSCORE', archive_key('due', e), '-inf', string.format('%.0f', now), 'LIMIT', 0, 8)
  if failure(due) then return end
  for _, name in ipairs(due) do
    local keep_for = tonumber(try('HGET', archive_key('topic', e, name), 'f')) or 0
    local oldest, left, mode = oldest_of(name), 64, mode_of(name)
    while oldest and keep_for > 0 and left > 0 and (mode == 2 or field(oldest, 't') + keep_for <= now) do
      oldest, left = lose_oldest(name, oldest, mode), left - 1
    end
    order(name, oldest, keep_for, mode)
  end
  local left = 256
  while archive_bytes > max_bytes and left > 0 do
    local name = try('ZRANGE', archive_key('by-age', e), 0, 0)[1]
    if not name then
      archive_bytes = 0
      break
    end
    local oldest = oldest_of(name)
    local keep_for = tonumber(try('HGET', archive_key('topic', e, name), 'f')) or 0
    order(name, oldest and lose_oldest(name, oldest, 0), keep_for, 0)
    left = left - 1
  end
  redis.pcall('HSET', meta, 'ab', archive_bytes)
end


local function append(header, data)
  local cursor = e .. '.' .. string.format('%.0f', n + 1)
  return redis.pcall('XADD', log, '*', 'c', cursor, 'p', i, 'h', header, 'd', data), cursor
end

local function add(once, header, data, kept)
  local next_cursor = e .. '.' .. string.format('%.0f', n + 1)
  if once then
    local first = redis.pcall('GET', once)
    if failure(first) then return nil, first.err end
    if first then return first end
    local kept = redis.pcall('SET', once, next_cursor, 'PX', ARGV[8])
    if failure(kept) then return nil, kept.err end
  end
  local refusal = keep(kept, header, data)
  if refusal then
    if once then redis.pcall('DEL', once) end
    return nil, refusal
  end
  local id, cursor = append(header, data)
  local is_used_up = failure(id) and string.find(id.err, 'exhausted', 1, true)
  if is_used_up and not failure(redis.pcall('DEL', log)) then
    unkeep(kept)
    i = nil
    begin()
    keep(kept, header, data)
    id, cursor = append(header, data)
  end
  if failure(id) then
    if once then redis.pcall('DEL', once) end
    unkeep(kept)
    return nil, id.err
  end
  if once and cursor ~= next_cursor then redis.pcall('SET', once, cursor, 'PX', ARGV[8]) end
  n, i, b, added = n + 1, id, (b or 0) + #header + #data, true
  note(kept, #header + #data)
  return cursor
end

local answers, key = {}, 3
for a = 11, #ARGV, 4 do
  local once = ARGV[a] == '1' and KEYS[key]
  if once then key = key + 1 end
  local cursor, refusal = add(once, ARGV[a + 1], ARGV[a + 2], kept_of(ARGV[a + 3]))
  answers[#answers + 1] = cursor or { refusal }
end

if added then
  local measure = false
  max_bytes = tonumber(max_bytes)
  if b > max_bytes / 16 then b, measure = 0, true end
  redis.call('HSET', meta, 'n', string.format('%.0f', n), 'i', i, 'b', b, 'ab', archive_bytes)
  trim_archive(tonumber(max_archive_bytes))
  try('XTRIM', log, 'MAXLEN', '~', max_events)
  if max_age ~= '0' then
    try('XTRIM', log, 'MINID', '~', string.format('%.0f', now - max_age))
  end
  local used = measure and redis.pcall('MEMORY', 'USAGE', log, 'SAMPLES', 0)
  local length = type(used) == 'number' and used > max_bytes and try('XLEN', log)
  if type(length) == 'number' then
    try('XTRIM', log, 'MAXLEN', math.max(math.floor(length * max_bytes / used * 15 / 16), 1))
  end
end
return { e, string.format('%.0f', n), i, string.format('%.0f', now), answers, trouble }
