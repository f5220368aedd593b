// Package archive answers how calls leave a store: which are old enough, where
// they go, and in which order, so that none is lost and none is in the archive
// twice.
//
// # Model
//
// Calls leave by whole days (UTC) of their numbers. A number is the µs at which
// the call ended, raised where it was stored later than others: a call is in the
// day in which it came. For each day, the oldest first:
//
//  1. The store is sealed: no call gets a number of that day any more. From then
//     on the day does not change.
//  2. Its calls are written to calls-DAY.jsonl.gz, then its manifest. Each is
//     written under another name, brought to the disk, and renamed. Where a file of
//     the day holds other calls (of another database, or of another copy of this
//     one), it stays, and the day goes to calls-DAY.2.jsonl.gz.
//  3. The boundary moves behind the day. Its calls count as gone.
//  4. They are removed, some at a time, so that who stores calls hardly waits.
//
// Whoever dies before 3 leaves a day that is written again, whole, with the same
// contents; whoever dies behind it leaves calls that are removed by the next run.
// Sums of costs and of budgets stay.
//
// A day with calls that a sink (a reader of the feed) has not passed is held
// back, and the days behind it.
//
// # What it does not do
//
// It does not read archives, and knows no configuration and no SQL.
//
// An Archiver is used by one goroutine at a time. Several processes may archive
// from one store: one of them moves the boundary, the others get KindConflict.
package archive
