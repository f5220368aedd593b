package mock

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
)

// Stats counts what became of the requests to one model.
type Stats struct {
	Requests    uint64 `json:"requests"`     // that named the model
	InFlight    int64  `json:"in_flight"`    // being answered now
	Answered    uint64 `json:"answered"`     // whole
	Refused     uint64 `json:"refused"`      // malformed, too long, against policy, unsupported
	Errors      uint64 `json:"errors"`       // error_rate
	RateLimited uint64 `json:"rate_limited"` // rate_limit_rate and max_concurrency
	Hung        uint64 `json:"hung"`         // hang_rate, and stall_rate of unstreamed answers
	Broken      uint64 `json:"broken"`       // cut, stalled or ended by an error event in the middle
	Canceled    uint64 `json:"canceled"`     // the client left before the end, without a failure of ours
}

type counters struct {
	answered, refused, errors, rateLimited, hung, broken, canceled atomic.Uint64
}

// Stats returns the counts of one model; zero for a name it does not serve.
func (s *Server) Stats(name string) Stats {
	m := s.models[name]
	if m == nil {
		return Stats{}
	}
	return Stats{
		Requests:    m.requests.Load(),
		InFlight:    m.inFlight.Load(),
		Answered:    m.stats.answered.Load(),
		Refused:     m.stats.refused.Load(),
		Errors:      m.stats.errors.Load(),
		RateLimited: m.stats.rateLimited.Load(),
		Hung:        m.stats.hung.Load(),
		Broken:      m.stats.broken.Load(),
		Canceled:    m.stats.canceled.Load(),
	}
}

// handleStats answers GET /stats with the counts by model.
func (s *Server) handleStats(w http.ResponseWriter, _ *http.Request) {
	all := make(map[string]Stats, len(s.names))
	for _, name := range s.names {
		all[name] = s.Stats(name)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all) // the client went away
}
