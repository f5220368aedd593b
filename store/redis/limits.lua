-- Meets one demand as limit.State.Exchange does, by the server's clock.
--
-- KEYS[1] is a hash: e the epoch; r<step> and t<step> the requests and tokens taken
-- in a step; s<replica> its slots and until when, "n:µs".
-- ARGV: replica, epoch, width of a step and life of a slot in µs, steps that
-- count, limits of requests, tokens and slots, the least, the wanted and the most
-- requests and tokens, calls running, the least, wanted and most slots; then four
-- for each correction: given or aged, step, requests, tokens.
local replica, epoch = ARGV[1], tonumber(ARGV[2])
local width, ttl, steps = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local limitR, limitT, limitS = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local leastR, leastT, wantR, wantT = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local mostR, mostT = tonumber(ARGV[13]), tonumber(ARGV[14])
local running, leastS, wantS, mostS = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17]), tonumber(ARGV[18])
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local step = math.floor(now / width)
local function text(n) return string.format('%.0f', n) end

local known = tonumber(redis.call('HGET', KEYS[1], 'e') or '0')
if known == 0 then
  known = now
  redis.call('HSET', KEYS[1], 'e', text(known))
end
if epoch ~= 0 and epoch ~= known then
  redis.call('PEXPIRE', KEYS[1], text(math.ceil((steps * width + ttl) / 1000)))
  return {now, known, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
end

local function add(at, r, tok)
  if r ~= 0 then redis.call('HINCRBY', KEYS[1], 'r' .. text(at), text(r)) end
  if tok ~= 0 then redis.call('HINCRBY', KEYS[1], 't' .. text(at), text(tok)) end
end
for i = 19, #ARGV, 4 do
  local at = tonumber(ARGV[i + 1])
  if ARGV[i] == 'aged' then at = step - at end
  add(at, tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]))
end

-- What counts; what does not is dropped. Steps ahead are those of a clock that was
-- set back.
local sumR, sumT, lastR, lastT = 0, 0, nil, nil
local takenR, takenT, old = {}, {}, {}
local free = limitS
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local kind, name, value = string.sub(all[i], 1, 1), string.sub(all[i], 2), all[i + 1]
  if kind == 's' then
    local n, till = string.match(value, '^(%d+):(%d+)$')
    if tonumber(till) <= now then
      old[#old + 1] = all[i]
    elseif name ~= replica then
      free = free - n
    end
  elseif kind ~= 'e' then
    local at, n = tonumber(name), tonumber(value)
    if at <= step - steps or at > step then
      old[#old + 1] = all[i]
    elseif kind == 'r' then
      sumR, takenR[#takenR + 1] = sumR + n, {at, n}
      if n ~= 0 and (not lastR or at > lastR) then lastR = at end
    else
      sumT, takenT[#takenT + 1] = sumT + n, {at, n}
      if n ~= 0 and (not lastT or at > lastT) then lastT = at end
    end
  end
end
for i = 1, #old do redis.call('HDEL', KEYS[1], old[i]) end

local function frees(taken, over)
  table.sort(taken, function(a, b) return a[1] < b[1] end)
  for i = 1, #taken do
    over = over - taken[i][2]
    if over <= 0 then return (taken[i][1] + steps) * width - now end
  end
  return 0
end
local function share(least, want, most, left)
  local n = math.max(least, math.min(want, left))
  if n < want or most <= n then return n end
  return n + math.min(most - n, math.floor((left - n) / 8))
end

local refused, retry, grantR, grantT = 0, 0, 0, 0
if limitS > 0 and leastS > running and leastS > free then
  refused = 3
elseif limitR > 0 and leastR > 0 and sumR + leastR > limitR then
  refused, retry = 1, frees(takenR, sumR + leastR - limitR)
elseif limitT > 0 and leastT > 0 and sumT + leastT > limitT then
  refused, retry = 2, frees(takenT, sumT + leastT - limitT)
else
  if limitR > 0 and leastR > 0 then grantR = share(leastR, wantR, mostR, limitR - sumR) end
  if limitT > 0 and leastT > 0 then grantT = share(leastT, wantT, mostT, limitT - sumT) end
  add(step, grantR, grantT)
  sumR, sumT = sumR + grantR, sumT + grantT
  if grantR > 0 then lastR = step end
  if grantT > 0 then lastT = step end
end

local slots, tight = 0, 0
if limitS > 0 then
  slots = running
  if refused == 0 then
    local least = math.max(leastS, running)
    slots = math.max(slots, share(least, wantS, mostS, math.max(free, least)))
  end
  if slots == 0 then
    redis.call('HDEL', KEYS[1], 's' .. replica)
  else
    redis.call('HSET', KEYS[1], 's' .. replica, text(slots) .. ':' .. text(now + ttl))
  end
  if free - slots < 1 then tight = 1 end
end
redis.call('PEXPIRE', KEYS[1], text(math.ceil((steps * width + ttl) / 1000)))
local function empties(last) return last and (last + steps) * width - now or 0 end
return {now, known, 0, grantR, grantT, refused, retry, slots, sumR, sumT, empties(lastR), empties(lastT), tight}
