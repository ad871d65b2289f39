/**
 * The part of the script that keeps topics beyond the log, in the same step. Of each kept topic there is a
 * stream (`kept`), whose ids begin with the offsets, and a hash (`topic`): the last offset that it lost (o), when that
 * was published (l), how long it is kept (f), and for each key (k:KEY) the offset of its last event. Two sorted
 * sets know all kept topics: `by-age` by the offset of the oldest event, `due` by when that is too old. The names
 * of all of them hold the epoch, because offsets begin again with each one.
 *
 * An event is kept before it is ordered, so that the archive never has less than the log acknowledged; if the log
 * then does not take it, it is taken back. What is kept of an event comes as JSON: for each topic its name, for
 * how many milliseconds (0: any), how many events (0: any), whether only the last one of each key, the key, and, if
 * the bound on bytes has no say, whether events go one by one (1) or all together, so long after the last one (2):
 * the hash has that too (w).
 */
export const ARCHIVE_SCRIPT = `
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
`;

/**
 * Reads a part of some kept topics in one step, so that what is lost meanwhile is never silent. KEYS: of each topic
 * the stream and the hash. ARGV: the first offset and the last one of interest, how many events at most, and
 * bytes. Answers for each topic the last offset that it lost, whether there is more, and the entries.
 */
export const READ_SCRIPT = `
local answer = {}
local count, max_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
for index = 1, #KEYS, 2 do
  local entries, bytes, from, more = {}, 0, ARGV[1], 1
  while #entries <= count and bytes <= max_bytes do
    local found = redis.call('XRANGE', KEYS[index], from, ARGV[2], 'COUNT', 16)
    if #found == 0 then
      more = 0
      break
    end
    for _, entry in ipairs(found) do
      entries[#entries + 1] = entry
      for part = 2, #entry[2], 2 do bytes = bytes + #entry[2][part] end
      from = '(' .. entry[1]
    end
  end
  answer[#answer + 1] = { redis.call('HGET', KEYS[index + 1], 'o') or '0', more, entries }
end
return answer
`;
