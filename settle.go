package cartrita

import (
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/model"
)

// settle completes the record and writes it, once, however the call ended.
func (r *run) settle(failure *model.Error) {
	r.settled = true
	rec := r.rec
	rec.State = model.StateCompleted
	if failure != nil {
		rec.State = model.StateFailed
		rec.Error = recorded(failure)
	}
	if n := len(rec.Attempts); n > 0 {
		last := &rec.Attempts[n-1]
		rec.Model, rec.Endpoint, rec.Usage, rec.TTFTMS = last.Model, last.Endpoint, last.Usage, last.TTFTMS
		rec.Provider = r.view.snap.Served[r.final].Provider
		if r.started { // as the caller sees it, from the call's arrival
			rec.TTFTMS = millis(r.shown.Sub(r.call.Received))
		}
		if failure == nil {
			r.learn(last)
		}
	}
	total := r.now().Sub(r.call.Received)
	rec.LatencyMS = millis(total)
	rec.OverheadMS = millis(total - r.upstream)
	if err := r.events.Outcome(rec); err != nil {
		r.log.Error("outcome of a call is not durable", "call", rec.ID, "error", err)
	}
}

// learn compares what the answer cost with what was expected, where usage and
// price are known, and learns from it.
func (r *run) learn(last *model.Attempt) {
	p, u := r.view.profiles[r.final], last.Usage
	at := slices.IndexFunc(r.plan.Candidates, func(c model.Candidate) bool { return c.Index == r.final })
	exact := u.Source == model.UsageUpstream && u.Input.Known && u.Output.Known
	size := r.measured()
	// An estimate that rests on what the caller said of the call says nothing
	// about ours.
	exact = exact && at >= 0 && size == r.size
	if exact && !r.bill.Unpriced {
		r.cost.Settled(p, size, r.plan.Candidates[at].Estimate, r.bill.Total)
	}
	r.cost.Observe(p, size, u)
}

// used returns what an attempt used, and whether it is billed:
//
//   - what the upstream reported, with the counts that it left out estimated
//     and marked as counted;
//   - of an attempt that broke, what had come by then, beside the prompt;
//   - of one that we gave up (the caller left, a time limit passed) before
//     anything came, the prompt: the upstream was at work on it; and if the
//     answer was to come whole, as much of it as is written in that time;
//   - nothing of one that the upstream refused, or broke before anything came.
func (r *run) used(cand *model.Candidate, took time.Duration, failure *model.Error) (_ model.Usage, billed bool) {
	u, outBytes := r.relay.usage, r.relay.outBytes
	gaveUp := failure != nil && failure.Status == 0 && (failure.Kind == model.KindCanceled || failure.Kind == model.KindTimeout)
	switch {
	case failure == nil && u.Input.Known && u.Output.Known:
		return u, true
	case failure != nil && outBytes == 0 && u.Source == "" && !gaveUp:
		return model.Usage{}, false
	case r.resp != nil && r.resp.Body != nil && !u.Output.Known:
		outBytes = answerBytes(r.resp.Body)
	}
	if !u.Input.Known {
		u.Input, u.Source = model.Known(cand.Estimate.InputTokens), model.UsageCounted
	}
	n := r.cost.TokensOf(r.view.profiles[cand.Index], outBytes, r.size.Text)
	if gaveUp && outBytes == 0 {
		n = r.written(cand, took)
	}
	// A stream that broke off reports, at best, what it had counted at its
	// start: the text that came since is what was produced.
	if !u.Output.Known || failure != nil && u.Output.N < n {
		u.Output, u.Source = model.Known(n), model.UsageCounted
	}
	return u, true
}

// written is how much of an answer of which we have seen nothing an endpoint has
// written by now: the share of the expected answer that the time is of the
// expected time.
func (r *run) written(cand *model.Candidate, took time.Duration) int64 {
	if r.call.Stream || r.call.Surface == model.SurfaceEmbeddings {
		return 0 // what of a stream has been written has come
	}
	share := min(took.Seconds()/r.expectedTime(cand).Seconds(), 1)
	return int64(share * float64(cand.Estimate.OutputTokens*max(r.call.Choices, 1)))
}

// answerBytes is the length of the text in a whole answer.
func answerBytes(body []byte) (n int64) {
	gjson.GetBytes(body, "choices").ForEach(func(_, c gjson.Result) bool {
		n += int64(len(c.Get("message.content").Str) + len(c.Get("message.reasoning_content").Str) + len(c.Get("text").Str))
		c.Get("message.tool_calls").ForEach(func(_, t gjson.Result) bool {
			n += int64(len(t.Get("function.name").Str) + len(t.Get("function.arguments").Str))
			return true
		})
		return true
	})
	return n
}

// appendUsageEvent appends the event that reports usage, with our cost in it.
// report is the upstream's own event; without one the usage of the record is
// written in OpenAI's shape.
func appendUsageEvent(dst, report []byte, rec *model.Record) []byte {
	if out, ok := appendWithCost(dst, report, rec); ok {
		return out
	}
	object := "chat.completion.chunk"
	if rec.Surface == model.SurfaceCompletions {
		object = "text_completion"
	}
	in, out := rec.Usage.Input.Or(0), rec.Usage.Output.Or(0)
	dst = append(dst, `data: {"id":"`...)
	dst = rec.ID.AppendTo(dst)
	dst = append(dst, `","object":"`+object+`","created":`...)
	dst = strconv.AppendInt(dst, rec.Received.Unix(), 10)
	dst = append(dst, `,"model":`...)
	dst = strconv.AppendQuote(dst, string(rec.Model))
	dst = append(dst, `,"choices":[],"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, in, 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, out, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, in+out, 10)
	dst = appendCost(dst, rec)
	return append(dst, "}}\n\n"...)
}

// appendWithCost copies the upstream's event with the cost added to its usage.
func appendWithCost(dst, report []byte, rec *model.Record) ([]byte, bool) {
	const prefix = "data: "
	if len(report) < len(prefix) || string(report[:len(prefix)]) != prefix {
		return dst, false
	}
	obj, err := jsonscan.Parse(report[len(prefix):])
	if err != nil {
		return dst, false
	}
	raw, ok := obj.Get("usage")
	if !ok || raw[0] != '{' {
		return dst, false
	}
	usage, err := jsonscan.Parse(raw)
	if err != nil {
		return dst, false
	}
	if rec.Cost.Unpriced {
		return append(dst, report...), true
	}
	priced := usage.Rewrite(nil, jsonscan.Edit{Key: "cost", Value: rec.Cost.Total.AppendDecimal(nil)})
	dst = append(dst, prefix...)
	dst = obj.Rewrite(dst, jsonscan.Edit{Key: "usage", Value: priced})
	return append(dst, "\n\n"...), true
}

func appendCost(dst []byte, rec *model.Record) []byte {
	if rec.Cost.Unpriced {
		return dst
	}
	dst = append(dst, `,"cost":`...)
	return rec.Cost.Total.AppendDecimal(dst)
}
