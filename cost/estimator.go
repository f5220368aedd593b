package cost

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cartrita/cartrita/model"
)

// Defaults of Config.
const (
	DefaultLevel  = 0.90 // share of calls whose cost lies between Low and High
	DefaultMemory = 300  // calls

	DefaultMaxCells = 4096
)

// Config sets up an Estimator. The zero value uses the defaults.
type Config struct {
	// Level is the share of calls whose cost is to lie between Low and High,
	// in [0.5, 0.99]; default 0.90.
	Level float64
	// Memory is the number of recent calls, per canonical model and task, that
	// an estimate rests on: an observation's weight falls to 1/e after so many
	// later ones. At least 10; default 300.
	Memory int
	// MaxCells bounds the cells, kinds of call within a task of a model, that
	// are learned apart, at about 1.5 kB each; default 4096, negative none.
	// Calls beyond them are estimated by their task.
	MaxCells int
}

// Estimator predicts costs and learns from what calls really used.
type Estimator struct {
	learning
	maxCells int64
	cells    atomic.Int64 // made so far
	learned  atomic.Int64 // observations

	mu     sync.Mutex
	models map[string]*knowledge // by canonical id

	tokenizers tokenizers
}

// New makes an estimator that has learned nothing.
func New(cfg Config) (*Estimator, error) {
	if cfg.Level == 0 {
		cfg.Level = DefaultLevel
	}
	if cfg.Memory == 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.MaxCells == 0 {
		cfg.MaxCells = DefaultMaxCells
	}
	if err := CheckLevel(cfg.Level); err != nil {
		return nil, err
	}
	if cfg.Memory < 10 {
		return nil, model.Invalidf("cost.New", "memory", "is %d: want at least 10 calls", cfg.Memory)
	}
	e := &Estimator{maxCells: int64(max(cfg.MaxCells, 0)), models: make(map[string]*knowledge)}
	e.law = newLaw(cfg.Level, cfg.Memory)
	e.init()
	return e, nil
}

// CheckLevel refuses a level that no interval is made for.
func CheckLevel(level float64) error {
	if level >= 0.5 && level <= 0.99 {
		return nil
	}
	return model.Invalidf("cost.New", "level", "is %v: want a share from 0.5 to 0.99", level)
}

// Profile is what estimating needs to know of one endpoint, worked out once
// per registry snapshot. Immutable, except that what is learned about its
// model shows through.
type Profile struct {
	rates     rates
	float     floatRates
	known     *knowledge
	pricing   *model.Pricing // may be nil
	context   float64        // tokens; +Inf unknown
	maxOutput float64        // tokens; +Inf unknown
	reasoning int            // 1 when the model reasons: longer answers before anything is learned
	encoding  encoding
}

// Profile works out an endpoint. Profiles of the same canonical model share
// what is learned, also across snapshots.
func (e *Estimator) Profile(s *model.Served) *Profile {
	p := &Profile{context: orInf(s.Context), maxOutput: orInf(s.MaxOutput), pricing: s.Pricing}
	canonical, throughput := string(s.Endpoint.Model), 0.0
	if m := s.Model; m != nil {
		if m.Canonical != "" {
			canonical = m.Canonical
		}
		if f, ok := m.Throughput[s.Hardware]; ok {
			throughput = f.Value
		}
	}
	p.rates = resolve(s.Pricing, throughput)
	p.float = p.rates.floats()
	if s.Features.Has(model.FeatureReasoning) {
		p.reasoning = 1
	}
	p.known = e.knowledgeOf(canonical, p.reasoning)
	if p.encoding = encodingOf(canonical); p.encoding == encodingNone {
		p.encoding = encodingOf(s.Upstream)
	}
	return p
}

func orInf(n int64) float64 {
	if n <= 0 {
		return math.Inf(1)
	}
	return float64(n)
}

func (e *Estimator) knowledgeOf(canonical string, reasons int) *knowledge {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := e.models[canonical]
	if k == nil {
		k = &knowledge{canonical: canonical, reasons: reasons}
		e.models[canonical] = k
	}
	return k
}

// Price returns what usage u of a call that took d costs at the endpoint. It is
// Price with the throughput of the endpoint's hardware profile where the
// pricing has none.
func (p *Profile) Price(u model.Usage, d time.Duration) model.CostBreakdown {
	return p.rates.price(&u, d)
}

// Request is what is known of a call before it is made.
type Request struct {
	Task         model.Task
	PromptBytes  int64 // bytes of prompt text
	Text         model.TextKind
	Images       int         // image parts
	Texts        int64       // texts that are answered each by itself; 0 is 1
	Attached     int64       // bytes of audio, video and files; only the worst case counts them
	InputTokens  model.Count // when counted or given by the caller; overrides PromptBytes and Images
	OutputTokens model.Count // the caller's own expectation; overrides what was learned
	MaxOutput    model.Count // tokens the caller allows, per answer
	Choices      int64       // answers asked for at once; 0 is 1
}

// Estimate predicts the cost of a call at one endpoint. Low ≤ Expected ≤ High
// always; the three are equal when both token counts are given.
func (e *Estimator) Estimate(p *Profile, q Request) model.Estimate {
	return p.estimate(&e.learning, &q)
}

// Estimates fills dst, which must be as long as ps, with one estimate for each
// profile.
func (e *Estimator) Estimates(dst []model.Estimate, ps []*Profile, q Request) {
	for i, p := range ps {
		dst[i] = p.estimate(&e.learning, &q)
	}
}

// NeedsExact reports whether the prediction of the prompt's tokens is too
// coarse to tell if they fit within limit, and the model's own tokenizer could
// tell: the limit lies within the predicted interval. Counting costs
// milliseconds (see CountTokens), so it is done only then.
func (e *Estimator) NeedsExact(p *Profile, q Request, limit int64) bool {
	if q.InputTokens.Known || p.encoding == encodingNone || q.PromptBytes == 0 {
		return false
	}
	r := &p.ratios(&e.learning).of[kindOf(&q)]
	base, spread := baseTokens(&q), math.Exp(e.z*r.sd)
	return base*r.middle/spread <= float64(limit) && float64(limit) < base*r.middle*spread
}
