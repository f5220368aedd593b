package event

import (
	"strconv"

	"github.com/cartrita/cartrita/model"
)

// AppendRecord appends r without its plan as JSON: what encoding/json would
// write, at a tenth of its cost, except that figures (milliseconds) are kept
// to six significant digits at least. It runs twice per call on the request path.
func AppendRecord(b []byte, r *model.Record) []byte {
	b = append(b, `{"call_id":"`...)
	b = r.ID.AppendTo(b)
	b = append(b, `","received_at":`...)
	b = appendTime(b, r.Received)
	b = append(b, `,"surface":`...)
	b = appendString(b, r.Surface)
	b = append(b, `,"task_type":"`...)
	b = append(b, r.Task.String()...)
	b = append(b, `","model_asked":`...)
	b = appendString(b, r.Asked)
	b = flag(b, `,"stream":true`, r.Stream)
	if r.Context != (model.Context{}) {
		b = append(b, `,"context":`...)
		b = appendContext(b, &r.Context)
	}
	if !r.Caller.IsZero() {
		b = append(b, `,"caller":`...)
		b = appendCaller(b, &r.Caller)
	}
	b = append(b, `,"state":`...)
	b = appendString(b, r.State)
	b = appendAttempts(b, r.Attempts)
	b = text(b, `,"model":`, r.Model)
	b = text(b, `,"endpoint":`, r.Endpoint)
	b = text(b, `,"provider":`, r.Provider)
	b = appendUsage(b, &r.Usage)
	b = appendCost(b, &r.Cost)
	b = money(b, `,"estimated_usd":`, r.Estimated)
	b = figure(b, `,"ttft_ms":`, r.TTFTMS)
	b = append(b, `,"latency_ms":`...)
	b = appendFloat(b, r.LatencyMS)
	b = append(b, `,"overhead_ms":`...)
	b = appendFloat(b, r.OverheadMS)
	b = appendFailure(b, r.Error)
	b = appendCharges(b, r.Charges)
	b = appendDegraded(b, r.Degraded)
	return append(b, '}')
}

func appendCaller(b []byte, c *model.Caller) []byte {
	b = append(b, '{')
	open := len(b)
	b = text(b, `,"key_id":`, c.Key)
	b = text(b, `,"user":`, c.User)
	b = text(b, `,"team":`, c.Team)
	b = text(b, `,"project":`, c.Project)
	for i, tag := range c.Tags {
		if i == 0 {
			b = append(b, `,"tags":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendString(b, tag)
	}
	if len(c.Tags) > 0 {
		b = append(b, ']')
	}
	return closeObject(b, open)
}

func appendCharges(b []byte, cs []model.Charge) []byte {
	for i := range cs {
		c := &cs[i]
		if i == 0 {
			b = append(b, `,"charges":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"budget":`...)
		b = appendString(b, c.Budget)
		b = append(b, `,"period":`...)
		b = appendTime(b, c.Period)
		b = money(b, `,"cost_usd":`, c.Cost)
		b = number(b, `,"tokens":`, c.Tokens)
		b = number(b, `,"requests":`, c.Requests)
		b = flag(b, `,"assumed":true`, c.Assumed)
		b = append(b, '}')
	}
	if len(cs) > 0 {
		b = append(b, ']')
	}
	return b
}

func appendDegraded(b []byte, steps []model.BudgetStep) []byte {
	for i := range steps {
		s := &steps[i]
		if i == 0 {
			b = append(b, `,"degraded":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"budget":`...)
		b = appendString(b, s.Budget)
		b = append(b, `,"action":`...)
		b = appendString(b, s.Action)
		b = text(b, `,"detail":`, s.Detail)
		b = append(b, `,"used":`...)
		b = appendFloat(b, s.Used)
		b = append(b, '}')
	}
	if len(steps) > 0 {
		b = append(b, ']')
	}
	return b
}

func appendContext(b []byte, c *model.Context) []byte {
	b = append(b, '{')
	open := len(b)
	b = text(b, `,"user_id":`, c.UserID)
	b = text(b, `,"workflow_run_id":`, c.WorkflowRunID)
	b = text(b, `,"stage":`, c.Stage)
	b = text(b, `,"supervisor":`, c.Supervisor)
	b = text(b, `,"session_id":`, c.SessionID)
	if c.Priority != 0 {
		b = text(b, `,"priority":`, c.Priority.String())
	}
	if c.DeadlineMS != nil {
		b = append(b, `,"deadline_ms":`...)
		b = strconv.AppendInt(b, *c.DeadlineMS, 10)
	}
	if l := c.Budget; l != nil {
		b = append(b, `,"budget_constraints":{`...)
		inner := len(b)
		b = limit(b, `,"max_cost_usd":`, l.MaxCost)
		b = limit(b, `,"max_cost_per_1k_tokens":`, l.MaxCostPer1KTokens)
		b = closeObject(b, inner)
	}
	if s := c.Safety; s != nil {
		b = append(b, `,"safety_requirements":{`...)
		inner := len(b)
		b = flag(b, `,"required":true`, s.Required)
		b = text(b, `,"max_risk_level":`, s.MaxRisk.String())
		b = closeObject(b, inner)
	}
	return closeObject(b, open)
}

// closeObject ends an object whose members were appended from open on, each
// with a comma before it.
func closeObject(b []byte, open int) []byte {
	if len(b) > open {
		b = append(b[:open], b[open+1:]...)
	}
	return append(b, '}')
}

func appendAttempts(b []byte, as []model.Attempt) []byte {
	for i := range as {
		a := &as[i]
		if i == 0 {
			b = append(b, `,"attempts":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"endpoint":`...)
		b = appendString(b, a.Endpoint)
		b = append(b, `,"model":`...)
		b = appendString(b, a.Model)
		b = append(b, `,"step":`...)
		b = appendString(b, a.Step)
		b = number(b, `,"retry":`, int64(a.Retry))
		b = append(b, `,"start_ms":`...)
		b = appendFloat(b, a.StartMS)
		b = figure(b, `,"ttft_ms":`, a.TTFTMS)
		b = append(b, `,"latency_ms":`...)
		b = appendFloat(b, a.LatencyMS)
		b = number(b, `,"status":`, int64(a.Status))
		b = appendFailure(b, a.Error)
		b = appendUsage(b, &a.Usage)
		b = money(b, `,"cost_usd":`, a.Cost)
		b = append(b, '}')
	}
	if len(as) > 0 {
		b = append(b, ']')
	}
	return b
}

func appendFailure(b []byte, f *model.Failure) []byte {
	if f == nil {
		return b
	}
	b = append(b, `,"error":{"kind":"`...)
	b = append(b, f.Kind.String()...)
	b = append(b, `","message":`...)
	b = appendString(b, f.Message)
	return append(b, '}')
}

func appendUsage(b []byte, u *model.Usage) []byte {
	if *u == (model.Usage{}) {
		return b
	}
	b = append(b, `,"usage":{`...)
	open := len(b)
	b = count(b, `,"input_tokens":`, u.Input)
	b = count(b, `,"cached_read_tokens":`, u.CachedRead)
	b = count(b, `,"cache_write_tokens":`, u.CacheWrite)
	b = count(b, `,"cache_write_long_tokens":`, u.CacheWriteLong)
	b = count(b, `,"output_tokens":`, u.Output)
	b = count(b, `,"reasoning_tokens":`, u.Reasoning)
	b = count(b, `,"audio_input_tokens":`, u.AudioInput)
	b = count(b, `,"audio_output_tokens":`, u.AudioOutput)
	b = count(b, `,"image_input_tokens":`, u.ImageInput)
	b = count(b, `,"image_output_tokens":`, u.ImageOutput)
	b = text(b, `,"service_tier":`, u.ServiceTier)
	b = text(b, `,"source":`, u.Source)
	return closeObject(b, open)
}

func appendCost(b []byte, c *model.CostBreakdown) []byte {
	if *c == (model.CostBreakdown{}) {
		return b
	}
	b = append(b, `,"cost":{"total_usd":`...)
	b = c.Total.AppendDecimal(b)
	b = money(b, `,"input_usd":`, c.Input)
	b = money(b, `,"cached_read_usd":`, c.CachedRead)
	b = money(b, `,"cache_write_usd":`, c.CacheWrite)
	b = money(b, `,"cache_write_long_usd":`, c.CacheWriteLong)
	b = money(b, `,"output_usd":`, c.Output)
	b = money(b, `,"reasoning_usd":`, c.Reasoning)
	b = money(b, `,"audio_input_usd":`, c.AudioInput)
	b = money(b, `,"audio_output_usd":`, c.AudioOutput)
	b = money(b, `,"image_input_usd":`, c.ImageInput)
	b = money(b, `,"image_output_usd":`, c.ImageOutput)
	b = money(b, `,"hardware_usd":`, c.Hardware)
	b = money(b, `,"request_usd":`, c.Request)
	b = money(b, `,"duration_usd":`, c.Duration)
	b = flag(b, `,"unpriced":true`, c.Unpriced)
	return append(b, '}')
}

// The following append one optional member: nothing when it is zero or unknown.

func text[S ~string](b []byte, key string, s S) []byte {
	if s == "" {
		return b
	}
	return appendString(append(b, key...), s)
}

func flag(b []byte, member string, v bool) []byte {
	if !v {
		return b
	}
	return append(b, member...)
}

func number(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), n, 10)
}

func figure(b []byte, key string, f float64) []byte {
	if f == 0 {
		return b
	}
	return appendFloat(append(b, key...), f)
}

func money(b []byte, key string, m model.Money) []byte {
	if m == 0 {
		return b
	}
	return m.AppendDecimal(append(b, key...))
}

func limit(b []byte, key string, m *model.Money) []byte {
	if m == nil {
		return b
	}
	return m.AppendDecimal(append(b, key...))
}

func count(b []byte, key string, c model.Count) []byte {
	if !c.Known {
		return b
	}
	return strconv.AppendInt(append(b, key...), c.N, 10)
}
