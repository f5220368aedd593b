-- Notes that a replica is there; returns how many are.
-- KEYS[1]: sorted set of replicas by when they were last there, in µs.
-- ARGV: the replica, and how long one is counted that beats no more, in µs.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], 60000)
return redis.call('ZCARD', KEYS[1])
