// Package redis keeps what replicas share from moment to moment in a Redis
// server: nothing that must not be lost.
//
// A Client speaks to one server, to the master that sentinels name, or to a
// cluster, as its URL says (see ParseURL). It connects in Run, and again
// whenever the server was away: a Redis that cannot be reached keeps nothing from
// starting. Available says whether the server takes writes, by a probe twice a
// second and by how each command went; while it does not, every use fails at
// once, and none waits longer than the timeout of the URL. When it goes away and
// when it is back is logged once each.
//
// A server that was emptied or replaced by one that knows less looks like any
// other. Whoever uses it must be right then, too.
//
// It needs Redis 5 or newer, or a server that speaks as it does. Keys begin with
// the URL's prefix, so that several installations can share a server; those of
// one script lie in one slot of a cluster. A Client is safe for concurrent use.
package redis
