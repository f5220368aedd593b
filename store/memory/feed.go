package memory

import (
	"context"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/model"
)

var _ event.FeedStore = (*Store)(nil)

// feedReader is how far a reader came, and who reads for it.
type feedReader struct {
	event.FeedPosition
	holder string
	until  time.Time
}

// Head implements event.Feed.
func (s *Store) Head(context.Context) (p event.FeedPosition, _ error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n := len(s.calls); n > 0 {
		p.Calls = s.calls[n-1].Seq
	}
	p.Notices = int64(len(s.notices))
	return p, nil
}

// After implements event.Feed.
func (s *Store) After(_ context.Context, p event.FeedPosition, limit int) (*event.Stored, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := &event.Stored{Next: p}
	for i := range s.calls {
		if c := &s.calls[i]; c.Seq > p.Calls && len(out.Calls) < limit {
			out.Calls = append(out.Calls, *c)
			out.Next.Calls = c.Seq
		}
	}
	for i := p.Notices; i < int64(len(s.notices)) && len(out.Notices) < limit; i++ {
		out.Notices = append(out.Notices, s.notices[i])
		out.Next.Notices = i + 1
	}
	return out, nil
}

// ClaimFeed implements event.FeedStore.
func (s *Store) ClaimFeed(_ context.Context, reader, holder string, ttl time.Duration, first event.FeedPosition) (event.FeedPosition, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	r, known := s.feedReaders[reader]
	if !known {
		r.FeedPosition = first
	}
	if r.holder != holder && now.Before(r.until) {
		return event.FeedPosition{}, false, nil
	}
	r.holder, r.until = holder, now.Add(ttl)
	if s.feedReaders == nil {
		s.feedReaders = map[string]feedReader{}
	}
	s.feedReaders[reader] = r
	return r.FeedPosition, true, nil
}

// AdvanceFeed implements event.FeedStore.
func (s *Store) AdvanceFeed(_ context.Context, reader, holder string, to event.FeedPosition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.feedReaders[reader]
	if r.holder != holder || !time.Now().Before(r.until) {
		return model.Errorf("memory.AdvanceFeed", model.KindConflict, "another process reads for %s", reader)
	}
	r.FeedPosition = to
	s.feedReaders[reader] = r
	return nil
}

// ReleaseFeed implements event.FeedStore.
func (s *Store) ReleaseFeed(_ context.Context, reader, holder string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.feedReaders[reader]; r.holder == holder {
		r.holder, r.until = "", time.Time{}
		s.feedReaders[reader] = r
	}
	return nil
}
