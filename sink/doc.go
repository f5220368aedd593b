// Package sink answers how events reach systems of the user's own: a file, a
// webhook, an OpenTelemetry collector, Kafka, NATS, a Redis stream.
//
// # Model
//
// A Runner reads what is stored in the order of storing (event.Feed) and sends
// it to one Target as CloudEvents. How far it came is kept in the store, and
// moves on when the target has taken what it was sent: every event is delivered
// at least once, in that order, also over crashes and restarts; one that is
// delivered twice has the same id. Of several processes on one database one
// sends for each sink; when it ends or hangs, another goes on.
//
// # When a target is slow or away
//
// What was not taken is sent again, after 1 s at first and a minute at last.
// Meanwhile it waits in the store, as long as the store keeps it; nothing is
// held in memory and no call waits. When the target did not answer in time, half
// as many messages are sent at once, and more again when its pace allows it. What
// a target refuses for good (a message that is too large, say) is found by
// halving, set aside and counted, so that it does not hold up what follows.
//
// # What it does not do
//
// It keeps nothing itself and knows no configuration.
//
// # Concurrency
//
// A Runner's Run is called once; Stats is safe for concurrent use. Targets are
// used by one Runner.
package sink
