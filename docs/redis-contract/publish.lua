
local meta, log = KEYS[1], KEYS[2]
local known_e, known_n, known_i = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function failure(reply)
  return type(reply) == 'table' and reply.err
end

-- Why Redis refused something about a key; it does not say which key it was.
local function refusal_of(key, reply)
  local err = failure(reply)
  if not err or not string.find(err, 'WRONGTYPE', 1, true) then return err end
  return 'WRONGTYPE ' .. key .. ' holds a ' .. (redis.pcall('TYPE', key).ok or 'value of another kind')
end

local state = redis.pcall('HMGET', meta, 'e', 'n', 'i', 'b', 'ab', 'k', 'v', 'r', 's', 'fo', 'fl', 'x', 'u', 'ul', 'q')
if failure(state) then return redis.error_reply(refusal_of(meta, state)) end
if state[7] and state[7] ~= '1' then
  return redis.error_reply('NESVERSION ' .. meta .. ' is of version ' .. state[7] .. ' of the contract, and this is version 1')
end
local e, n, i, b = state[1], tonumber(state[2]), state[3], tonumber(state[4])
local archive_bytes = tonumber(state[5]) or 0
local rules_text, since_text = state[8] or nil, state[9] or nil
local floor, floor_at = state[10] or '0', state[11] or '0'
local index_count, unknown, unknown_at = tonumber(state[12] or 0), state[13] or '0', state[14] or '0'
local prefix = string.match(meta, '^(.*):meta$')
local max_events, max_age, max_bytes, max_archive_bytes = ARGV[5], ARGV[6], ARGV[7], ARGV[10]
local bounds = table.concat({ max_events, max_age, max_bytes, max_archive_bytes }, ' ')
local BOUNDS = '^(%d+) (%d+) (%d+) (%d+)$'
if ARGV[9] == '2' and string.match(state[6] or '', BOUNDS) then
  max_events, max_age, max_bytes, max_archive_bytes = string.match(state[6], BOUNDS)
end

-- The time of an id, which may be one that no double holds exactly.
local function time_of_id(id)
  return tonumber(string.match(id or '', '^%d+') or 0)
end

-- When what is written now is published: never before what was, though a clock may be set back, or be another's.
local quiet_since = time_of_id(i)
local at = math.max(now, quiet_since)

local function archive_key(kind, epoch, topic)
  return prefix .. ':' .. kind .. ':' .. epoch .. (topic and ':' .. topic or '')
end

-- Another epoch has begun: what is kept of the one before is for nobody.
local function forget(epoch)
  local by_age, due = archive_key('by-age', epoch), archive_key('due', epoch)
  local names = redis.pcall('ZRANGE', by_age, 0, -1)
  if failure(names) or #names == 0 then names = redis.pcall('ZRANGE', due, 0, -1) end
  for _, topic in ipairs(failure(names) and {} or names) do
    redis.call('UNLINK', archive_key('kept', epoch, topic), archive_key('topic', epoch, topic))
  end
  redis.call('UNLINK', by_age, due, archive_key('forgotten', epoch))
end

-- What would be refused of any event, tried with an id that no log takes.
local function refusal_of_log()
  local refusal = refusal_of(log, redis.pcall('XLEN', log))
  if refusal and string.find(refusal, 'WRONGTYPE', 1, true) then return refusal end
  refusal = failure(redis.pcall('XADD', log, 'NOMKSTREAM', '0-0', 'c', ''))
  for _, reason in ipairs({ 'NOPERM', "can't run", "can't access", 'OOM' }) do
    if refusal and string.find(refusal, reason, 1, true) then return refusal end
  end
end

-- How long another pause has to be where there is no room, and until when: then the first one is too old. Behind that
-- of each pause, the last one first: the offset of the event after it, when that was published, and how long it was.
local pauses, MOST_PAUSES, HOUR = state[15] or '', 16, 3600000
local first_added = nil

-- Whether the place that the caller knows, of which the state says nothing else, was in another history.
local function is_elsewhere()
  -- Another script may have begun the epoch, and left what was.
  if string.find(pauses, e, 1, true) ~= 1 then return false end
  local known_at = time_of_id(known_i)
  for offset, time in string.gmatch(pauses, ' (%d+):(%d+)') do
    offset, time = tonumber(offset), tonumber(time)
    if offset >= known_n and time < known_at then return true end
    if offset <= known_n then return time > known_at end
  end
  return false
end

local function is_behind()
  if e ~= known_e then return e < known_e end
  if n == known_n then return i ~= known_i end
  return n < known_n or is_elsewhere()
end

local function shortest_of(list)
  local found, shortest = 0, math.huge
  for index, pause in ipairs(list) do
    local length = tonumber(string.match(pause, '%d+$'))
    if length < shortest then found, shortest = index, length end
  end
  return found, shortest
end

local function write_pauses(list)
  local least = #list == MOST_PAUSES and select(2, shortest_of(list)) or 0
  local old_at = tonumber(string.match(list[#list], ':(%d+):')) + HOUR
  local bar = string.format('%.0f %.0f ', least, old_at)
  redis.pcall('HSET', meta, 'q', e .. ' ' .. bar .. table.concat(list, ' '))
end

local function note_pause(offset, time)
  local length = time - quiet_since
  if length < 1 then return end
  local list, old_at = { string.format('%.0f:%.0f:%.0f', offset, time, length) }, nil
  local epoch, least, limit = string.match(pauses, '^(%S+) (%d+) (%d+)')
  if epoch == e then
    old_at = tonumber(limit)
    if length <= tonumber(least) and time <= old_at then return end
    for pause in string.gmatch(pauses, '%d+:%d+:%d+') do list[#list + 1] = pause end
  end
  if #list > MOST_PAUSES then table.remove(list, time > old_at and #list or (shortest_of(list))) end
  write_pauses(list)
end

local function time_after(epoch)
  local high, low = string.match(epoch or '', '^(%x%x%x%x%x)(%x%x%x%x%x%x)')
  return high and tonumber(high, 16) * 0x1000000 + tonumber(low, 16) + 1 or 0
end

local function begin()
  local old = e
  local begun = math.max(now, time_after(known_e), time_after(e))
  e = string.format('%05x%06x', math.floor(begun / 0x1000000), begun % 0x1000000) .. ARGV[1]
  n, i, b, archive_bytes, floor, floor_at = 0, i or '0-0', 0, 0, '0', '0'
  index_count, unknown, unknown_at, first_added = 0, '0', '0', nil
  since_text = since_text and string.gsub(since_text, '%S+', '0:0')
  redis.call('HSET', meta, 'e', e, 'n', 0, 'i', i, 'b', 0, 'ab', 0, 's', since_text or '')
  redis.call('HDEL', meta, 'fo', 'fl', 'x', 'u', 'ul', 'q')
  if old then forget(old) end
end

if not (e and n and i) or n >= 2^53 - #ARGV or is_behind() then
  local emptied = redis.pcall('XTRIM', log, 'MAXLEN', 0)
  if failure(emptied) then return redis.error_reply(refusal_of(log, emptied)) end
  begin()
end
-- Somebody may have removed the state, and with it the epoch that was.
if known_e ~= '' and known_e ~= e then forget(known_e) end
if ARGV[9] ~= '0' then
  local refusal = #ARGV < 12 and refusal_of_log()
  if refusal then return redis.error_reply(refusal) end
  redis.call('HSET', meta, 'n', string.format('%.0f', n), 'v', 1)
  if ARGV[9] == '1' and state[6] ~= bounds then redis.call('HSET', meta, 'k', bounds) end
end

local added, trouble = false, false

local function try(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if failure(reply) then trouble = refusal_of(key, reply) end
  return reply
end


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

if ARGV[9] ~= '0' then
  check_index()
  follow_rules()
end

-- The id that Redis would give, but by one clock: that of its own goes on while a script runs, on some servers.
local function id_after(id)
  local time, sequence = time_of_id(id), 0
  if time == at then sequence = tonumber(string.match(id, '%d+$')) + 1 end
  if at >= 2^53 or sequence >= 2^53 then return '*' end
  return whole(at) .. '-' .. whole(sequence)
end

-- Redis refuses an id that is not after all others, of which somebody else may have written the last one.
local function append(header, data)
  local cursor = e .. '.' .. whole(n + 1)
  local function add_as(id)
    return redis.pcall('XADD', log, id, 'c', cursor, 'p', i, 'h', header, 'd', data)
  end
  local id = add_as(id_after(i))
  if failure(id) and string.find(id.err, 'equal or smaller', 1, true) then id = add_as('*') end
  return id, cursor
end

-- What a key names, unless that went with the log that it was in.
local function first_under(once)
  local first = redis.pcall('GET', once)
  if failure(first) or not first then return first end
  local epoch, offset = string.match(first, '^(.*)%.(%d+)$')
  return epoch == e and tonumber(offset) <= n and first
end

local function add(once, header, data, kept)
  local next_cursor = e .. '.' .. string.format('%.0f', n + 1)
  if once then
    local first = first_under(once)
    if failure(first) then return nil, refusal_of(once, first) end
    if first then return first end
    local kept = redis.pcall('SET', once, next_cursor, 'PX', ARGV[8])
    if failure(kept) then return nil, refusal_of(once, kept) end
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
    i, topics, at = nil, {}, now
    begin()
    keep(kept, header, data)
    id, cursor = append(header, data)
  end
  if failure(id) then
    if once then redis.pcall('DEL', once) end
    unkeep(kept)
    return nil, refusal_of(log, id), 1
  end
  if time_of_id(id) ~= at then
    unkeep(kept)
    at = time_of_id(id)
    keep(kept, header, data)
  end
  if once and cursor ~= next_cursor then redis.pcall('SET', once, cursor, 'PX', ARGV[8]) end
  n, i, b, added = n + 1, id, (b or 0) + #header + #data, true
  first_added = first_added or { n, at }
  note(kept, #header + #data)
  return cursor
end

local answers, key = {}, 3
for a = 12, #ARGV, 4 do
  local once = ARGV[a] == '1' and KEYS[key]
  if once then key = key + 1 end
  local cursor, refusal, of_any = add(once, ARGV[a + 1], ARGV[a + 2], kept_of(ARGV[a + 3], ARGV[a + 1]))
  answers[#answers + 1] = cursor or { refusal, of_any }
end

if added then
  local measure = false
  max_bytes = tonumber(max_bytes)
  if b > max_bytes / 16 then b, measure = 0, true end
  redis.call('HSET', meta, 'n', string.format('%.0f', n), 'i', i, 'b', b, 'ab', whole(archive_bytes))
  if first_added then note_pause(first_added[1], first_added[2]) end
  trim_archive(tonumber(max_archive_bytes))
  note_index()
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
