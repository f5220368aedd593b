package event

import "github.com/cartrita/cartrita/model"

// Pending returns the record of a call that is under way in this process, as
// its Intent recorded it.
func (l *Log) Pending(id model.CallID) (*model.Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.pending[id]
	if !ok {
		return nil, false
	}
	payload, err := l.intentPayload(p)
	if err != nil {
		return nil, false
	}
	_, record, plan, ok := splitPayload(payload)
	if !ok {
		return nil, false
	}
	rec, err := ParseRecord(record, plan)
	return rec, err == nil
}

// intentPayload returns the payload of an intent from memory or the spool, in mu.
func (l *Log) intentPayload(p pendingCall) ([]byte, error) {
	if p.payload != nil {
		return p.payload.payload(), nil
	}
	g := l.spool.segment(p.Segment)
	if g == nil {
		return nil, errDamaged
	}
	f, err := g.read(p.location, nil)
	return f.payload, err
}
