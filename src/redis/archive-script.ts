/**
 * The part of the script that keeps topics beyond the log, in the same step. Of each kept topic there is a
 * stream (`kept`), whose ids begin with the offsets, and a hash (`topic`): the last offset that it lost (o), when that
 * was published (l), how long it is kept (f), how many events (c) and bytes (b) it has, its last offset (p), and for
 * each key (k:KEY) the offset of its last event. If the stream has not as many events as the hash says, somebody
 * else has removed some (Redis itself may, short of memory): they are lost. Two sorted sets know all kept topics, so that
 * either can be made again from the other: `by-age` by the offset of the oldest event that the bound on bytes may take,
 * `due` by when there is something too old, or by when a topic without any event is forgotten; a score that is not known
 * is 0, and one that never comes is infinite. `forgotten` has bits for those that were, and the state has one loss for all of them (fo, fl). The state also says how
 * many of these three keys there are (x): if there are fewer, somebody else has removed one, and all that topics of which
 * nothing is known had by then counts as lost (u, ul). The names of all of them hold the epoch, because offsets begin
 * again with each one.
 *
 * The state has the rules of the instance that wrote last (r), and of each since when it is in force (s), as
 * OFFSET:TIME: what was published before is not kept. So a rule that somebody who publishes does not have begins again
 * when somebody has it. Publishers have no say in it: what is kept of their events is for the rules of the instances.
 *
 * An event is kept before it is ordered, so that the archive never has less than the log acknowledged; if the log
 * then does not take it, it is taken back. What is kept of an event comes as JSON: for each topic its name, for
 * how many milliseconds (0: any), how many events (0: any), whether only the last one of each key, the key, and, if
 * the bound on bytes has no say, whether events go one by one (1) or all together, so long after the last one (2):
 * the hash has that too (w).
 */
export const ARCHIVE_SCRIPT = `
local OVERHEAD = 200
local topics, rules, noted = {}, nil, 0

local function whole(number)
  return string.format('%.0f', number)
end

-- Says which rules are in force, if they are others than before.
local function follow_rules()
  local given = (ARGV[9] == '1' or not rules_text) and ARGV[11] or rules_text
  if given == rules_text then return end
  local since, known = string.gmatch(since_text or '', '%S+'), {}
  for _, rule in ipairs(cjson.decode(rules_text or '[]')) do known[rule[1]] = since() end
  local here, all = whole(n) .. ':' .. whole(n == 0 and 0 or at), {}
  for index, rule in ipairs(cjson.decode(given)) do all[index] = known[rule[1]] or here end
  rules_text, since_text = given, table.concat(all, ' ')
  redis.call('HSET', meta, 'r', rules_text, 's', since_text)
end

-- Nothing is ever at the last of these: while a Cluster migrates the slot, a node refuses it, before anything is
-- written, and with it what could not be done whole, as other keys may have moved already.
local function count_of_index()
  return redis.call(
    'EXISTS', archive_key('by-age', e), archive_key('due', e), archive_key('forgotten', e), archive_key('never', e)
  )
end

local function restore(kind, other)
  if redis.call('EXISTS', archive_key(kind, e)) == 1 then return end
  try('ZUNIONSTORE', archive_key(kind, e), 1, archive_key(other, e), 'WEIGHTS', 0)
end

-- Without what knows all topics nobody can tell which others were removed.
local function check_index()
  if count_of_index() >= index_count then return end
  restore('due', 'by-age')
  restore('by-age', 'due')
  local count = count_of_index()
  if count >= index_count then return end
  index_count, unknown, unknown_at = count, whole(n), whole(at)
  if redis.call('EXISTS', archive_key('by-age', e)) == 0 then archive_bytes = 0 end
  redis.call('HSET', meta, 'x', count, 'u', unknown, 'ul', unknown_at, 'ab', whole(archive_bytes))
end

local function segments_of(name)
  local segments = {}
  for segment in string.gmatch(name .. '.', '([^.]*)%.') do segments[#segments + 1] = segment end
  return segments
end

-- As TopicMatcher does.
local function selects(pattern, topic)
  if string.sub(pattern, 1, 1) == '*' and string.sub(topic, 1, 1) == '$' then return false end
  local wanted, given = segments_of(pattern), segments_of(topic)
  for index, segment in ipairs(wanted) do
    if segment == '**' and index == #wanted then
      return #given > index or (#given == index and given[index] ~= '')
    end
    if not given[index] or (segment == '*' and given[index] == '') then return false end
    if segment ~= '*' and segment ~= given[index] then return false end
  end
  return #wanted == #given
end

local function kept_by_rules(header)
  rules = rules or cjson.decode(rules_text)
  if #rules == 0 then return {} end
  local is_json, event = pcall(cjson.decode, header)
  local is_event, kept = is_json and type(event) == 'table' and type(event.t) == 'table', {}
  for _, topic in ipairs(is_event and event.t or {}) do
    for _, rule in ipairs(rules) do
      if type(topic) == 'string' and selects(rule[1], topic) then
        kept[#kept + 1] = { topic, rule[2], rule[3], rule[4], event.k or false }
        break
      end
    end
  end
  return kept
end

local function kept_of(json, header)
  if ARGV[9] == '2' then return kept_by_rules(header) end
  return json ~= '' and cjson.decode(json) or {}
end

-- Not the offset alone: a stream takes no id twice, and this event may be refused, and another one get its offset.
local function next_id()
  return whole(n + 1) .. '-' .. whole(at)
end

local function keep(kept, header, data)
  local id = next_id()
  for index, topic in ipairs(kept) do
    local stream = archive_key('kept', e, topic[1])
    local reply = redis.pcall('XADD', stream, id, 'h', header, 'd', data, 't', whole(at))
    if failure(reply) then
      for earlier = 1, index - 1 do redis.pcall('XDEL', archive_key('kept', e, kept[earlier][1]), id) end
      return refusal_of(stream, reply)
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

local function time_of(entry)
  return tonumber(field(entry, 't') or 0) or 0
end

local function offset_of(entry)
  return string.match(entry[1], '^(%d+)-')
end

local function bits_of(name)
  local digest, bits = redis.sha1hex(name), {}
  for index = 1, 4 do bits[index] = tonumber(string.sub(digest, index * 6 - 5, index * 6), 16) end
  return bits
end

local function is_forgotten(name)
  if tonumber(floor) <= tonumber(unknown) then return false end
  local forgotten = archive_key('forgotten', e)
  for _, bit in ipairs(bits_of(name)) do
    if try('GETBIT', forgotten, bit) == 0 then return false end
  end
  return true
end

local function is_listed(name)
  return try('ZSCORE', archive_key('by-age', e), name) or try('ZSCORE', archive_key('due', e), name)
end

-- A kept topic as Redis has it, or is about to have it.
local function open_topic(name)
  local topic = topics[name]
  if topic then return topic end
  local hash = archive_key('topic', e, name)
  local known = try('HMGET', hash, 'o', 'l', 'f', 'c', 'b', 'p', 'w')
  if failure(known) then known = {} end
  topic = {
    name = name, hash = hash, stream = archive_key('kept', e, name),
    lost = known[1] or '0', lost_at = known[2] or '0', keep_for = tonumber(known[3] or ''),
    is_known = known[4], count = tonumber(known[4] or 0) or 0, bytes = tonumber(known[5] or 0) or 0,
    last = known[6] or '0', mode = tonumber(known[7] or (string.sub(name, 1, 1) == '$' and 1 or 0)),
  }
  topics[name] = topic
  return topic
end

local function lose_bytes(topic, bytes)
  topic.bytes = math.max(topic.bytes - bytes, 0)
  if topic.mode > 0 then return end
  archive_bytes = math.max(archive_bytes - bytes, 0)
end

-- What the topic has is not what it should have: says what is lost.
local function compare(topic, there)
  if topic.is_known then
    if there >= topic.count then return end
    topic.lost, topic.lost_at = topic.last, whole(at)
    lose_bytes(topic, topic.bytes * (topic.count - there) / topic.count)
  elseif there > 0 or is_listed(topic.name) then
    topic.lost, topic.lost_at = whole(n - 1), whole(at)
  elseif is_forgotten(topic.name) then
    topic.lost, topic.lost_at = floor, floor_at
  else
    topic.lost, topic.lost_at = unknown, unknown_at
  end
  topic.is_known, topic.count = true, there
  if tonumber(topic.last) < tonumber(topic.lost) then topic.last = topic.lost end
end

-- Opens a topic, and says what of it somebody else has removed. Of its events so many are not counted yet.
local function examine(name, more)
  local topic = open_topic(name)
  local length = try('XLEN', topic.stream)
  if type(length) == 'number' then compare(topic, length - more) end
  return topic
end

local function oldest_of(topic)
  local found = try('XRANGE', topic.stream, '-', '+', 'COUNT', 1)
  return not failure(found) and found[1] or nil
end

local function newest_of(topic)
  local found = try('XREVRANGE', topic.stream, '+', '-', 'COUNT', 1)
  return not failure(found) and found[1] or nil
end

local function remove(topic, entry)
  if try('XDEL', topic.stream, entry[1]) ~= 1 then return end
  topic.count = math.max(topic.count - 1, 0)
  lose_bytes(topic, #(field(entry, 'h') or '') + #(field(entry, 'd') or '') + OVERHEAD)
end

-- Its key goes with an event, unless a later one has it.
local function forget_key(topic, entry)
  local is_json, event = pcall(cjson.decode, field(entry, 'h') or '')
  local key = is_json and type(event) == 'table' and event.k
  if type(key) ~= 'string' then return end
  local known = 'k:' .. key
  if try('HGET', topic.hash, known) == offset_of(entry) then try('HDEL', topic.hash, known) end
end

-- Loses the oldest event of a topic; gives the one after it, if there is any.
local function lose_oldest(topic, entry)
  remove(topic, entry)
  forget_key(topic, entry)
  local offset = offset_of(entry)
  -- What somebody has removed may be later.
  if tonumber(offset) > tonumber(topic.lost) then topic.lost, topic.lost_at = offset, whole(time_of(entry)) end
  return oldest_of(topic)
end

-- When an event of a topic that was published at a time is too old.
local function end_of(topic, time)
  -- Nobody knows any more how long it is kept.
  if not topic.keep_for then return 0 end
  return topic.keep_for == 0 and math.huge or time + topic.keep_for
end

-- When the last event of a topic was published whose events go all together.
local function time_of_all(topic)
  local newest = topic.mode == 2 and newest_of(topic)
  return newest and time_of(newest)
end

-- A stream stays when its last entry has gone.
local function drop_empty(topic)
  if try('XLEN', topic.stream) == 0 then try('DEL', topic.stream) end
end

-- Writes what is known of a topic, and says in the sorted sets when there is something to do about it.
local function close_topic(topic, oldest, is_new)
  if not oldest then
    compare(topic, 0)
    drop_empty(topic)
  end
  try('HSET', topic.hash, 'o', topic.lost, 'l', topic.lost_at, 'f', topic.keep_for and whole(topic.keep_for) or '',
    'c', whole(topic.count), 'b', whole(topic.bytes), 'p', topic.last)
  if is_new and topic.mode > 0 then try('HSET', topic.hash, 'w', topic.mode) end
  local age, due = 'inf', now + math.max((topic.keep_for or 0) * 2, 3600000)
  if oldest then
    if topic.mode == 0 then age = offset_of(oldest) end
    due = end_of(topic, is_new and topic.mode == 2 and at or time_of_all(topic) or time_of(oldest))
  end
  try('ZADD', archive_key('by-age', e), age, topic.name)
  try('ZADD', archive_key('due', e), whole(due), topic.name)
end

-- It has had nothing for so long that nobody is likely to ask.
local function forget_topic(topic)
  if topic.lost ~= '0' then
    for _, bit in ipairs(bits_of(topic.name)) do try('SETBIT', archive_key('forgotten', e), bit, 1) end
    if tonumber(topic.lost) > tonumber(floor) then
      floor, floor_at = topic.lost, topic.lost_at
      try('HSET', meta, 'fo', floor, 'fl', floor_at)
    end
  end
  drop_empty(topic)
  try('DEL', topic.hash)
  try('ZREM', archive_key('by-age', e), topic.name)
  try('ZREM', archive_key('due', e), topic.name)
  topics[topic.name] = nil
end

-- Removes the event that this one replaces.
local function replace(topic, key)
  local known = 'k:' .. key
  local before = try('HGET', topic.hash, known)
  if before and not failure(before) then
    local entries = try('XRANGE', topic.stream, before, before)
    if not failure(entries) and entries[1] then remove(topic, entries[1]) end
  end
  try('HSET', topic.hash, known, whole(n))
end

-- What was kept is ordered: counts it, and holds each topic to its own bounds.
local function note(kept, size)
  for _, each in ipairs(kept) do
    local topic, keep_events, latest, key = examine(each[1], 1), each[3], each[4], each[5]
    topic.count, topic.bytes = topic.count + 1, topic.bytes + size + OVERHEAD
    local keep_for = each[2]
    -- Each entry of such a topic says for how long: the longest counts, as long as there are any.
    if topic.mode > 0 and topic.count > 1 then keep_for = math.max(keep_for, topic.keep_for or 0) end
    topic.last, topic.keep_for, topic.mode = whole(n), keep_for, each[6] or 0
    if topic.mode == 0 then archive_bytes = archive_bytes + size + OVERHEAD end
    noted = noted + 1
    if latest == 1 and key then replace(topic, key) end
    local oldest = oldest_of(topic)
    while oldest and keep_events > 0 and topic.count > keep_events do oldest = lose_oldest(topic, oldest) end
    close_topic(topic, oldest, true)
  end
end

-- Loses what is too old, a part of it in each step, and then the oldest of all, until there is room: more than was added.
local function trim_archive(max_bytes)
  local some = math.max(8, noted * 2)
  local due = try('ZRANGEBYSCORE', archive_key('due', e), '-inf', whole(now), 'WITHSCORES', 'LIMIT', 0, some)
  if failure(due) then return end
  for index = 1, #due, 2 do
    local topic, left = examine(due[index], 0), 64
    local oldest = oldest_of(topic)
    if oldest or due[index + 1] == '0' then
      local time = time_of_all(topic)
      while oldest and left > 0 and end_of(topic, time or time_of(oldest)) <= now do
        oldest, left = lose_oldest(topic, oldest), left - 1
      end
      close_topic(topic, oldest)
    else
      forget_topic(topic)
    end
  end
  local left = math.max(256, noted * 2)
  while archive_bytes > max_bytes and left > 0 do
    local first = try('ZRANGE', archive_key('by-age', e), 0, 0, 'WITHSCORES')
    if failure(first) then return end
    local name, score = first[1], first[2]
    if not name or score == 'inf' then
      archive_bytes = 0
      break
    end
    local topic = examine(name, 0)
    local oldest = oldest_of(topic)
    if oldest and score ~= '0' then oldest = lose_oldest(topic, oldest) end
    close_topic(topic, oldest)
    left = left - 1
  end
  redis.pcall('HSET', meta, 'ab', whole(archive_bytes))
end

-- Says how many keys somebody may remove.
local function note_index()
  local count = count_of_index()
  if count ~= index_count then redis.call('HSET', meta, 'x', count) end
end
`;

/**
 * Reads a part of some kept topics in one step, so that what is lost meanwhile is never silent. KEYS: the log's state,
 * the sorted sets by age and by when something is due, the bits of forgotten topics, then of each topic the stream and
 * the hash. ARGV: the epoch; the first offset and the last one of interest, how many events at most, and bytes; then the
 * topics' names. Answers epoch, offset of the last event, rules and since when they are in force; for each topic the
 * last offset that it lost, when that was published at the latest, whether there is more, and the entries; and which
 * keys are of another type: what was there is lost, because somebody has written over it.
 */
export const READ_SCRIPT = `
local wrong = {}

local function read(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then return redis.call(command, key, ...) end
  wrong[#wrong + 1] = key .. ' holds a ' .. redis.call('TYPE', key).ok
  return nil
end

local state = read('HMGET', KEYS[1], 'e', 'n', 'r', 's', 'fo', 'fl', 'x', 'i', 'u', 'ul')
if not state then return redis.error_reply('WRONGTYPE ' .. wrong[1]) end
local answer = { state[1] or '', state[2] or '0', state[3] or '[]', state[4] or '', {}, wrong }
if state[1] ~= ARGV[1] then return answer end
local count, max_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local is_index_gone = redis.call('EXISTS', KEYS[2], KEYS[3], KEYS[4]) < tonumber(state[7] or 0)
local unknown, unknown_at = state[9] or '0', state[10] or '0'
local now = string.match(state[8] or '', '^%d+') or '0'

local function is_listed(key, name)
  return read('ZSCORE', key, name) ~= false
end

local function is_forgotten(name)
  if tonumber(state[5] or 0) <= tonumber(unknown) then return false end
  local digest = redis.sha1hex(name)
  for index = 1, 4 do
    local bit = tonumber(string.sub(digest, index * 6 - 5, index * 6), 16)
    if read('GETBIT', KEYS[4], bit) == 0 then return false end
  end
  return true
end

local function loss_of(name, stream, hash)
  local known, length = read('HMGET', hash, 'o', 'l', 'c', 'p'), read('XLEN', stream)
  if not known or not length then return state[2], now end
  if known[3] then
    if length < tonumber(known[3]) then return known[4], now end
    return known[1], known[2]
  end
  if is_index_gone or length > 0 or is_listed(KEYS[2], name) or is_listed(KEYS[3], name) then
    return state[2], now
  end
  if is_forgotten(name) then return state[5], state[6] end
  return unknown, unknown_at
end

for index = 5, #KEYS, 2 do
  local entries, bytes, from, more, some = {}, 0, ARGV[2], 1, 1
  while #entries <= count and bytes <= max_bytes do
    local found = read('XRANGE', KEYS[index], from, ARGV[3], 'COUNT', some) or {}
    for _, entry in ipairs(found) do
      entries[#entries + 1] = entry
      for part = 2, #entry[2], 2 do bytes = bytes + #entry[2][part] end
      from = '(' .. entry[1]
    end
    if #found < some then
      more = 0
      break
    end
    -- As many as there is room for, if they are like those before.
    local room = (max_bytes - bytes) * #entries / math.max(bytes, 1)
    some = math.max(math.min(math.floor(room), 16), 1)
  end
  local lost, lost_at = loss_of(ARGV[3 + (index + 1) / 2], KEYS[index], KEYS[index + 1])
  answer[5][#answer[5] + 1] = { lost, lost_at, more, entries }
end
return answer
`;
