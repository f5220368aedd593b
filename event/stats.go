package event

// Stats counts what a Log did since Open.
type Stats struct {
	Intents     uint64 // recorded
	Outcomes    uint64 // recorded, those of interrupted calls included
	Stored      uint64 // calls handed to the Sink
	Batches     uint64 // stored
	SinkErrors  uint64 // failed batches; each is tried again
	Refused     uint64 // intents refused because the spool was full or failing
	Undurable   uint64 // outcomes kept in memory only because the spool was failing
	Lost        uint64 // outcomes lost because memory was full too
	Rejected    uint64 // calls that the Sink can never take
	Interrupted uint64 // intents of a dead process, closed as failed
	Corrupt     uint64 // bytes of the spool that were damaged and skipped
	Missed      uint64 // events that slow subscribers did not get
	Pending     int    // calls with an intent and no outcome yet
	Queued      int    // outcomes in memory that the spool does not hold
	Backlog     int64  // bytes of the spool behind what is in the Sink
	SpoolBytes  int64  // of all segments
	Segments    int
	Subscribers int
	SinkError   string // of the last batch, "" if it was stored
	Share       ShareStats
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Pending, s.Queued = len(l.pending), len(l.queue)
	if l.spool != nil {
		s.SpoolBytes, s.Segments = l.spool.bytes(), len(l.spool.segments)
		s.Backlog = l.spool.behind(l.stored, l.tail)
	}
	s.Missed, s.Subscribers = l.subs.stats()
	if l.share != nil {
		l.share.count(func(now *ShareStats) { s.Share = *now })
	}
	return s
}
