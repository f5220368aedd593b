// Package event answers what happened: it records every call durably before
// its response ends, hands the record to a store exactly once, and tells
// subscribers live.
//
// # Model
//
// The unit is the call, not the event. A call writes at most two frames to a
// spool on the local disk: its intent, when the first attempt is about to be
// sent, and its outcome, before the response ends. Everything else is derived
// from the two: the events of the call with their ids (Of), its row in the
// store, its share of the cost rollups. So a call has exactly one terminal
// event by construction, and the sum of costs over events is the sum over
// rollups.
//
//	event id = "<call id>.<n>"    n: 1 planned, 2 started, 3 completed or failed, 4 cost
//
// # Durability
//
// Both frames are written by the call itself, never behind it: an intent that
// could be lost would lose an event that a live subscriber saw, and budgets
// will rest on what was about to be spent. Do not make intents lazy.
//
// Intent and Outcome return when their frame is in the file: it survives the
// death of the process (kill -9). With SyncBatch they return when it is on the
// disk, which survives a power loss too; concurrent callers share an fsync.
// Run moves outcomes to the Sink in batches, each in one transaction with the
// spool position behind it: a batch is in the store wholly with its position
// or not at all, so a restart repeats none and misses none. An intent whose
// process died before its outcome becomes model_call.failed, kind
// "unavailable", message "interrupted", exactly once, at the next Open.
//
// # When something is full or away
//
// The Sink is away: outcomes wait in the spool, up to Config.MaxBytes, and are
// read back from disk when the Sink returns; memory stays bounded. The spool
// is full or the disk fails: Intent refuses with KindUnavailable, so that no
// new call starts that cannot be recorded, and Ready says so; calls under way
// are still recorded, first in space held back for them, then in a bounded
// memory queue that goes straight to the Sink. Only when that is full too is an
// outcome lost; Stats counts it and the log says so. What is stored makes room
// again, also for a process that starts on a full disk.
//
// # What it does not do
//
// It does not decide what to do when a call cannot be recorded (the service
// does), holds no prompt or answer text, and does not aggregate (the store
// does, in the transaction of the batch).
//
// All methods of Log are safe for concurrent use.
package event
