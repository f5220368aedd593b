package cartrita

import (
	"context"

	"github.com/cartrita/cartrita/cost"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// EstimateRequest asks what a call would cost.
type EstimateRequest struct {
	Criteria
	// Level is the share of calls whose cost is to lie between low and high,
	// from 0.5 to 0.99; default 0.9.
	Level *float64 `json:"level,omitempty"`
	// MaxTokens is the longest answer that the call would allow; default: what
	// the model can.
	MaxTokens *int64 `json:"max_tokens,omitempty"`
}

// EndpointEstimate is what one eligible endpoint would charge for a call.
type EndpointEstimate struct {
	Endpoint   model.EndpointID     `json:"endpoint"`
	Model      model.ModelID        `json:"model"`
	Estimate   model.Estimate       `json:"estimate"`
	Method     string               `json:"estimation_method"`
	Level      float64              `json:"level"`
	Confidence cost.Confidence      `json:"confidence_level"`
	Breakdown  *model.CostBreakdown `json:"breakdown"` // expected, by class; null: the price is unknown
	Factors    cost.Factors         `json:"factors"`   // what the estimate rests on
}

// Calibration says how often actual costs lay inside their estimated interval.
type Calibration = cost.Calibration

// Calibration returns how well estimates held, by canonical model and task.
func (s *Service) Calibration() []Calibration { return s.cost.Calibration() }

// Estimate says what each eligible endpoint would charge, in the order of their
// scores. The prompt is counted by the model's own tokenizer where there is
// one. Errors as Select.
func (s *Service) Estimate(ctx context.Context, req EstimateRequest) ([]EndpointEstimate, error) {
	level, err := levelOf(req.Level)
	if err != nil {
		return nil, err
	}
	q, err := s.ask(&req.Criteria)
	if err != nil {
		return nil, err
	}
	if n := req.MaxTokens; n != nil {
		if *n < 1 {
			return nil, model.Invalidf("cartrita.Estimate", "max_tokens", "is %d: want a number of tokens, at least 1", *n)
		}
		q.size.MaxOutput = model.Known(*n)
	}
	var ans answer
	defer s.release(&ans)
	if err := s.decide(q, &ans); err != nil {
		return nil, err
	}
	out := make([]EndpointEstimate, len(ans.plan.Candidates))
	var counts []textCount
	for i := range out {
		if err := ctx.Err(); err != nil {
			return nil, model.AsError(err)
		}
		cand := &ans.plan.Candidates[i]
		var x cost.Explanation
		if x, counts, err = s.explain(&ans, q, cand, level, counts); err != nil {
			return nil, err
		}
		out[i] = EndpointEstimate{
			Endpoint: cand.Endpoint, Model: cand.Model, Estimate: x.Estimate, Method: string(x.Method),
			Level: x.Level, Confidence: x.Confidence, Breakdown: x.Breakdown, Factors: x.Factors,
		}
	}
	return out, nil
}

func levelOf(level *float64) (float64, error) {
	if level == nil {
		return cost.DefaultLevel, nil
	}
	return *level, cost.CheckLevel(*level)
}

// CallEstimate is what the endpoint that would serve a call charges for it.
type CallEstimate struct {
	Endpoint model.EndpointID
	Model    model.ModelID
	cost.Explanation
}

// EstimateCall decides on a call without making it, and says what it would
// cost where it would go. Errors as Select.
func (s *Service) EstimateCall(_ context.Context, call *model.Call, level float64) (*CallEstimate, error) {
	q := questionOf(call)
	var ans answer
	defer s.release(&ans)
	if err := s.decide(&q, &ans); err != nil {
		return nil, err
	}
	first := ans.plan.First()
	x, _, err := s.explain(&ans, &q, first, level, nil)
	return &CallEstimate{first.Endpoint, first.Model, x}, err
}

// explain estimates a call at one endpoint, its prompt counted if that can be.
func (s *Service) explain(ans *answer, q *question, cand *model.Candidate, level float64, known []textCount) (cost.Explanation, []textCount, error) {
	p, size := ans.view.profiles[cand.Index], q.size
	if n, counts := s.promptTokens(known, p, q); n > 0 {
		known, size.InputTokens = counts, model.Known(n)
	} else {
		known = counts
	}
	x, err := s.cost.Explain(p, size, level)
	return x, known, err
}

const (
	// maxCounted is the longest prompt that a tokenizer is given for an
	// estimate: it reads a few MB/s.
	maxCounted = 2 << 20
	// What a chat has besides its text, in tokens.
	perMessage, perChat = 4, 3
)

// promptTokens counts a whole prompt by the model's tokenizer: its texts, its
// tools, and what frames each message. 0 when that cannot be counted.
func (s *Service) promptTokens(known []textCount, p *cost.Profile, q *question) (int64, []textCount) {
	if q.text == nil || q.size.InputTokens.Known || q.size.Images > 0 || q.size.PromptBytes == 0 || q.size.PromptBytes > maxCounted {
		return 0, known
	}
	whole := *q
	whole.text = func() string { return q.text() + string(q.tools) }
	n, known := s.countOnce(known, p, &whole)
	if n <= 0 {
		return 0, known
	}
	if q.messages != nil {
		n += perChat
		jsonscan.Each(q.messages, func(_, _ []byte) bool { n += perMessage; return true })
	}
	return n, known
}
