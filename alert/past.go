package alert

import (
	"context"
	"sync"
	"time"
)

// settledPiece is the least length of the pieces of a window of which anything is
// kept in memory: half an hour. Shorter ones are read whole, so that late calls
// count at once.
const settledPiece = time.Minute

// past is what is kept in memory of the samples of long windows, so that an
// evaluation reads only those that may have changed. Safe for concurrent use.
type past struct {
	mu     sync.Mutex
	byRule map[string]*settled
}

// settled are the samples of a rule that were over when they were read, those of
// all gateways added up. Calls that come later still, for pieces of time so long
// ago, count when they are read again: after the length of a piece.
type settled struct {
	version string
	read    time.Time
	until   time.Time // beginning of the first piece that was not over
	samples []Sample
}

// read returns the samples of a rule that begin at since or later: those that are
// settled, perhaps with some before, and the others.
func (p *past) read(ctx context.Context, s Store, r *Rule, since, now time.Time) (old, recent []Sample, err error) {
	version, piece := r.version(), r.bucket()
	if piece < settledPiece {
		recent, err = s.Samples(ctx, r.Name, version, since)
		return nil, recent, err
	}
	p.mu.Lock()
	known := p.byRule[r.Name]
	p.mu.Unlock()
	if known != nil && known.version == version && !due(known.read, now, piece) {
		if since.Before(known.until) {
			since = known.until
		}
		recent, err = s.Samples(ctx, r.Name, version, since)
		return known.samples, recent, err
	}
	all, err := s.Samples(ctx, r.Name, version, since)
	if err != nil {
		return nil, nil, err
	}
	known = &settled{version: version, read: now, until: now.Add(-sampleKept - piece).Truncate(piece)}
	recent = known.take(all)
	p.mu.Lock()
	p.byRule[r.Name] = known
	p.mu.Unlock()
	return known.samples, recent, nil
}

// due reports whether it is time for what is done every so often. A clock that was
// set back puts nothing off.
func due(last, now time.Time, every time.Duration) bool {
	age := now.Sub(last)
	return age < 0 || age >= every
}

// take adds up the samples that are settled and returns the others.
func (k *settled) take(all []Sample) (recent []Sample) {
	type piece struct {
		subject string
		at      int64
	}
	sums := map[piece]int{}
	for i := range all {
		s := &all[i]
		if !s.At.Before(k.until) {
			recent = append(recent, *s)
			continue
		}
		key := piece{s.Subject, s.At.UnixMicro()}
		at, seen := sums[key]
		if !seen {
			sums[key] = len(k.samples)
			k.samples = append(k.samples, Sample{Subject: s.Subject, At: s.At, Sum: s.Sum.clone()})
			continue
		}
		k.samples[at].Sum.add(&s.Sum)
	}
	return recent
}

// keep forgets all rules but these.
func (p *past) keep(rules map[string][]Sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.byRule {
		if _, there := rules[name]; !there {
			delete(p.byRule, name)
		}
	}
}
