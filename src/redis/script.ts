import { createHash } from 'node:crypto';
import { ARCHIVE_SCRIPT, READ_SCRIPT } from './archive-script.js';
import type { RedisClient } from './redis-client.js';

/**
 * Everything that is written, in one step. KEYS: the log's state (a hash), the log (a stream), and one key
 * for each event that is named by an idempotency key. ARGV: the random digits of an epoch; the place
 * (epoch, offset, id) that the caller knows; how many events, milliseconds (0: any) and bytes to keep; the
 * idempotency window; what to do if Redis lets itself be written to (0: only look; 1: write, what to keep as
 * well; 2: write, and keep what an instance said last, if any did: publishers have no say in it); bytes of all
 * kept topics together; the rules by which topics are kept, as JSON; then for each event whether it is named, its
 * header, its data, and what is kept of it (see ARCHIVE_SCRIPT).
 *
 * A new epoch begins when there is none, or when the state is behind what the caller knows, or differs:
 * then events that were handed out are gone. It is greater than both epochs, whatever the clock says, so
 * that nobody ever goes back. The stream is emptied rather than deleted, so that its ids go on growing; only
 * one whose ids are used up, because somebody wrote the last one, is deleted.
 * Each entry names the one before it, so that no reader can take another history for its own. Where the log does not
 * reach back to what a caller knows, its pauses tell (q): a failover that loses events is one. After it an event has an
 * offset that the caller knows, or an earlier one, and a time that is later than what it knows. In one history that
 * is never so, as offsets and times grow together. The state has the longest pauses of the last hour.
 *
 * Epochs are compared as strings, which any collation orders alike: digits before letters, of one length.
 * Their time is put together from two numbers, because Lua's %x has 32 bits on some servers. Offsets are
 * formatted with %.0f: Lua's own conversion loses digits from 1e14 on.
 *
 * A script that fails in the middle has written: Redis takes nothing back. So what can be refused is tried
 * first, with a write of the state as it is. An idempotency key is kept before its event, because an event
 * without it could be published twice; a refusal of either is the answer for this event alone. The state
 * follows right after the events, and nothing that comes later (trimming) can fail the publish: it is
 * reported beside it. A refusal of the log itself, and not of a key that only some events need, is marked by 1.
 */
export const SCRIPT = `
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

${ARCHIVE_SCRIPT}
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
`;

/** Redis 6.2 puts where a script was before what it says. */
const PASSING =
  /(?:^|: -)(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|UNBLOCKED|NOREPLICAS)\b|non local key/;

/** A script that is sent by its hash, and whole when Redis does not know it. */
class Script {
  readonly #text: string;
  readonly #sha: string;

  constructor(text: string) {
    this.#text = text;
    this.#sha = createHash('sha1').update(text).digest('hex');
  }

  async run(
    connection: RedisClient,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    try {
      return await connection.call('evalsha', this.#sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!isReply(error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return connection.call('eval', this.#text, keys.length, ...keys, ...args);
    }
  }
}

/** Everything that is written. */
export const WRITE = new Script(SCRIPT);
/** Reads kept topics. */
export const READ = new Script(READ_SCRIPT);

/** Whether Redis itself answered with an error, so that it is known to have done nothing. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether ioredis did not even write the command, because the connection had gone. */
export function isUnsent(error: Error): boolean {
  return error.name !== 'ReplyError' && error.message.includes('enableOfflineQueue');
}

/** Whether Redis refused what another server, or the same one a little later, may do. */
export function isPassing(error: Error): boolean {
  return isReply(error) && PASSING.test(error.message);
}
