package mock

import (
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// DefaultMaxBody is the largest request body taken, in bytes.
const DefaultMaxBody = 32 << 20

// Config sets up a Server.
type Config struct {
	Profiles []Profile        // at least one; names are distinct
	Seed     uint64           // of failures, delays and answers
	APIKey   string           // demanded of every request but /healthz; default none
	Strict   bool             // refuse request fields that the surface does not define; default ignore them
	MaxBody  int64            // bytes; default 32 MiB
	Clock    func() time.Time // for timestamps; default time.Now
	Logger   *slog.Logger     // one debug line per request; default discard
}

// Server serves mock models. Make it with New.
type Server struct {
	cfg    Config
	mux    http.ServeMux
	models map[string]*llm // immutable; the models in it change
	names  []string        // in the order of the configuration
	born   int64           // Unix time, shown as creation time of the models
	cache  promptCache
}

// llm is one model at work.
type llm struct {
	profile  atomic.Pointer[Profile]
	requests atomic.Uint64
	inFlight atomic.Int64
	stats    counters
	salt     uint64 // of its random numbers
}

// New makes a server. It listens nowhere: give it to an http.Server.
func New(cfg Config) (*Server, error) {
	if len(cfg.Profiles) == 0 {
		return nil, model.Invalidf("mock.New", "profiles", "is empty: want at least one model")
	}
	setDefault(&cfg.MaxBody, DefaultMaxBody)
	if cfg.MaxBody < 0 {
		return nil, model.Invalidf("mock.New", "max_body", "is %d: want a number of bytes above 0", cfg.MaxBody)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, models: make(map[string]*llm, len(cfg.Profiles)), born: cfg.Clock().Unix()}
	s.cache.seed = maphash.MakeSeed()
	for _, p := range cfg.Profiles {
		p = p.withDefaults()
		if err := p.validate(); err != nil {
			return nil, err
		}
		if s.models[p.Name] != nil {
			return nil, model.Invalidf("mock.New", "profiles", "model %q stands twice", p.Name)
		}
		m := &llm{salt: hashString(p.Name) ^ cfg.Seed}
		m.profile.Store(&p)
		s.models[p.Name] = m
		s.names = append(s.names, p.Name)
	}
	s.routes()
	return s, nil
}

// SetProfile changes how a model behaves, from its next request on. The name
// must be one that the server was made with.
func (s *Server) SetProfile(p Profile) error {
	p = p.withDefaults()
	if err := p.validate(); err != nil {
		return err
	}
	m := s.models[p.Name]
	if m == nil {
		return model.Errorf("mock.SetProfile", model.KindNotFound, "there is no model %q", p.Name)
	}
	m.profile.Store(&p)
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }
