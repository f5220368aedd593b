package cartrita_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/provider"
)

func TestWholeAnswerIsPricedAndRecorded(t *testing.T) {
	l := newLab(t, script{"a": answers(`{"ok":1}`, counted)})
	call, w := newCall(t, false), &page{}
	rec, err := l.Serve(t.Context(), call, w)
	if err != nil {
		t.Fatal(err)
	}
	if w.text != `{"ok":1}` || w.status != 200 {
		t.Errorf("the caller got %d %s", w.status, w.text)
	}
	want := model.Money(10*1000 + 5*2000) // $1 and $2 per million tokens
	if rec.State != model.StateCompleted || rec.Cost.Total != want || w.info.Cost != want || !w.info.CostKnown {
		t.Errorf("state %s, cost %s, shown %s, want %s", rec.State, rec.Cost.Total, w.info.Cost, want)
	}
	if rec.Model != "m-a" || rec.Endpoint != "lab/a" || rec.Provider != "lab" || len(rec.Attempts) != 1 || rec.OverheadMS < 0 {
		t.Errorf("record %+v", rec)
	}
	if got := l.stored(call.ID); got.Cost.Total != want || got.Plan == nil || got.Plan.Eligible != 3 {
		t.Errorf("stored record %+v", got)
	}
	l.idle()
}

func TestFailureBeforeContentIsTakenOverSilently(t *testing.T) {
	for name, first := range map[string]func(context.Context, *model.Call) (*provider.Response, error){
		"refused":                fails(model.KindUpstream),
		"rate limited":           fails(model.KindRateLimited),
		"cut before content":     streams(&model.Error{Kind: model.KindUpstream, Message: "cut"}, role()),
		"error event at once":    streams(&model.Error{Kind: model.KindUnavailable, Message: "overloaded"}),
		"too long for the first": fails(model.KindContextLength),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, script{"a": first, "b": streams(nil, role(), text("hi"), usage(10, 5), done()), "c": fails(model.KindUpstream)})
			w := &page{}
			rec, err := l.Serve(t.Context(), newCall(t, true), w)
			if err != nil {
				t.Fatal(err)
			}
			if want := "data: {\"role\"}\n\ndata: {\"text\":\"hi\"}\n\ndata: [DONE]\n\n"; w.text != want {
				t.Errorf("the caller saw %q, want %q", w.text, want)
			}
			last := rec.Attempts[len(rec.Attempts)-1]
			if rec.State != model.StateCompleted || last.Endpoint != "lab/b" || rec.Attempts[0].Error == nil || !w.ended || w.endErr != nil {
				t.Errorf("state %s, attempts %+v, end %v", rec.State, rec.Attempts, w.endErr)
			}
			l.idle()
		})
	}
}

func TestFailureAfterContentIsAnErrorAndBilled(t *testing.T) {
	l := newLab(t, script{
		"a": streams(&model.Error{Kind: model.KindUpstream, Message: "cut"}, text("12345678")),
		"b": streams(nil, text("never"), done()),
	})
	call, w := newCall(t, true), &page{}
	rec, err := l.Serve(t.Context(), call, w)
	if err != nil {
		t.Fatal(err)
	}
	if w.endErr == nil || w.endErr.Kind != model.KindUpstream || strings.Contains(w.text, "DONE") {
		t.Errorf("end %v after %q", w.endErr, w.text)
	}
	if rec.State != model.StateFailed || len(rec.Attempts) != 1 {
		t.Errorf("state %s, %d attempts", rec.State, len(rec.Attempts))
	}
	// Eight bytes are two tokens, at $2 per million, beside the prompt.
	if u := rec.Usage; u.Source != model.UsageCounted || u.Output.N != 2 || u.Input.N == 0 || rec.Cost.Output != 4000 {
		t.Errorf("usage %+v, cost %+v", u, rec.Cost)
	}
	if got := l.stored(call.ID); got.State != model.StateFailed || got.Cost.Total != rec.Cost.Total {
		t.Errorf("stored %+v", got)
	}
	l.idle()
}

func TestABrokenStreamPutsTheEndpointOnProbation(t *testing.T) {
	broken := &model.Error{Kind: model.KindUpstream, Message: "cut"}
	sc := script{"a": streams(broken, text("half")), "b": streams(nil, text("whole"), done()), "c": fails(model.KindUpstream)}
	l := newLab(t, sc)
	if w := (&page{}); true {
		if _, err := l.Serve(t.Context(), newCall(t, true), w); err != nil || w.endErr == nil {
			t.Fatalf("the first break is visible: %v, %v", err, w.endErr)
		}
	}
	w := &page{}
	rec, err := l.Serve(t.Context(), newCall(t, true), w)
	if err != nil {
		t.Fatal(err)
	}
	if w.endErr != nil || !strings.Contains(w.text, "whole") || strings.Contains(w.text, "half") {
		t.Errorf("the second break shows: %q, %v", w.text, w.endErr)
	}
	if rec.State != model.StateCompleted {
		t.Errorf("state %s", rec.State)
	}
}

func TestCallerGoneCancelsTheUpstreamAndIsRecorded(t *testing.T) {
	closed := false
	l := newLab(t, script{"a": func(ctx context.Context, _ *model.Call) (*provider.Response, error) {
		return &provider.Response{Status: 200, Stream: &tape{ctx: ctx, chunks: []provider.Chunk{text("one "), text("two "), text("six"), done()}, closed: &closed}}, nil
	}})
	call, w := newCall(t, true), &page{}
	w.onChunk = func() { w.breakNow = true }
	rec, err := l.Serve(t.Context(), call, w)
	if err != nil {
		t.Fatal(err)
	}
	if !closed {
		t.Error("the upstream stream was not closed")
	}
	if rec.State != model.StateFailed || rec.Error.Kind != model.KindCanceled || rec.Cost.Total == 0 {
		t.Errorf("state %s, error %+v, cost %s", rec.State, rec.Error, rec.Cost.Total)
	}
	if e := l.Endpoints()[0]; e.Health.ErrorRate != 0 {
		t.Errorf("the caller's leaving counts against the endpoint: %+v", e.Health)
	}
	l.stored(call.ID)
	l.idle()
}

func TestCancelledContextIsNotTriedElsewhere(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tried := 0
	l := newLab(t, script{
		"a": func(ctx context.Context, _ *model.Call) (*provider.Response, error) {
			tried++
			cancel()
			return nil, &model.Error{Kind: model.KindCanceled, Err: ctx.Err()}
		},
		"b": func(context.Context, *model.Call) (*provider.Response, error) { tried++; return nil, nil },
	})
	rec, err := l.Serve(ctx, newCall(t, false), &page{})
	if model.KindOf(err) != model.KindCanceled || tried != 1 || rec.State != model.StateFailed {
		t.Errorf("%v after %d attempts, state %s", err, tried, rec.State)
	}
	l.idle()
}

func TestDeadlineEndsTheCall(t *testing.T) {
	l := newLab(t, script{"a": func(ctx context.Context, _ *model.Call) (*provider.Response, error) {
		<-ctx.Done()
		return nil, &model.Error{Kind: model.KindCanceled, Err: ctx.Err()}
	}})
	call := newCall(t, false)
	ms := int64(30)
	call.Criteria.Context.DeadlineMS = &ms
	rec, err := l.Serve(t.Context(), call, &page{})
	if model.KindOf(err) != model.KindTimeout || rec.Error.Kind != model.KindTimeout {
		t.Errorf("%v, recorded %+v", err, rec.Error)
	}
	l.idle()
}

// TestAShortDeadlineSaysNothingAboutTheEndpoint: callers who give up at once
// must not open the circuit for everybody.
func TestAShortDeadlineSaysNothingAboutTheEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, script{"a": func(ctx context.Context, _ *model.Call) (*provider.Response, error) {
			<-ctx.Done()
			return nil, &model.Error{Kind: model.KindTimeout, Err: ctx.Err()}
		}})
		ms := int64(20)
		for range 20 {
			call := newCall(t, false)
			call.Model = "m-a"
			call.Criteria.Context.DeadlineMS = &ms
			rec, err := l.Serve(t.Context(), call, &page{})
			if model.KindOf(err) != model.KindTimeout {
				t.Fatal(err)
			}
			if rec.Usage.Source != model.UsageCounted || rec.Cost.Input == 0 || rec.Cost.Unpriced {
				t.Fatalf("the upstream was at work on the prompt: usage %+v, cost %+v", rec.Usage, rec.Cost)
			}
		}
		if h := l.Endpoints()[0].Health; h.Circuit != model.CircuitClosed || h.ErrorRate != 0 {
			t.Errorf("health after twenty impatient callers: %+v", h)
		}
		l.idle()
	})
}

func TestABreakBeforeContentCostsNothing(t *testing.T) {
	l := newLab(t, script{
		"a": streams(&model.Error{Kind: model.KindUpstream, Message: "cut"}, role()),
		"b": streams(nil, text("hi"), usage(10, 5), done()),
	})
	rec, err := l.Serve(t.Context(), newCall(t, true), &page{})
	if err != nil || rec.Cost.Unpriced || rec.Cost.Total != 20_000 || rec.Attempts[0].Cost != 0 {
		t.Errorf("%v, cost %+v, first attempt %+v", err, rec.Cost, rec.Attempts[0])
	}
}

func TestAFloodWithoutContentIsABreak(t *testing.T) {
	flood := func(ctx context.Context, _ *model.Call) (*provider.Response, error) {
		chunks := slices.Repeat([]provider.Chunk{{Data: make([]byte, 1<<10)}}, 1000)
		return &provider.Response{Status: 200, Stream: &tape{ctx: ctx, chunks: append(chunks, text("late"), done()), err: io.EOF}}, nil
	}
	l := newLab(t, script{"a": flood, "b": streams(nil, text("hi"), done())})
	w := &page{}
	rec, err := l.Serve(t.Context(), newCall(t, true), w)
	if err != nil || rec.Endpoint != "lab/b" || strings.Contains(w.text, "late") {
		t.Errorf("%v, answered by %s with %d bytes", err, rec.Endpoint, len(w.text))
	}
}

func TestSeveralAnswersCostMore(t *testing.T) {
	l := newLab(t, script{"a": answers("{}", counted)})
	one, many := newCall(t, false), newCall(t, false)
	many.Choices = 100
	first, err := l.Serve(t.Context(), one, &page{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.Serve(t.Context(), many, &page{})
	if err != nil || second.Estimated < 20*first.Estimated {
		t.Errorf("%v: one answer is estimated at %s, a hundred at %s", err, first.Estimated, second.Estimated)
	}
}

func TestPanicHasOneTerminalEventAndGoesOn(t *testing.T) {
	l := newLab(t, script{"a": func(context.Context, *model.Call) (*provider.Response, error) { panic("boom") }})
	call := newCall(t, false)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = l.Serve(t.Context(), call, &page{})
	}()
	if rec := l.stored(call.ID); rec.State != model.StateFailed || rec.Error.Kind != model.KindInternal {
		t.Errorf("stored %+v", rec)
	}
	l.idle()
}

func TestUsageThatNobodyReportedIsCounted(t *testing.T) {
	l := newLab(t, script{"a": answers(`{"choices":[{"message":{"content":"exactly 20 bytes ..."}}]}`, model.Usage{})})
	rec, err := l.Serve(t.Context(), newCall(t, false), &page{})
	if err != nil {
		t.Fatal(err)
	}
	if rec.Usage.Source != model.UsageCounted || rec.Usage.Output.N != 5 || rec.Cost.Output != 10_000 {
		t.Errorf("usage %+v, cost %+v", rec.Usage, rec.Cost)
	}
}

func TestKnownZeroUsageStaysZero(t *testing.T) {
	zero := model.Usage{Input: model.Known(0), Output: model.Known(0), Source: model.UsageUpstream}
	l := newLab(t, script{"a": answers(`{"choices":[{"message":{"content":"text"}}]}`, zero)})
	rec, err := l.Serve(t.Context(), newCall(t, false), &page{})
	if err != nil || rec.Cost.Total != 0 || rec.Usage.Source != model.UsageUpstream {
		t.Errorf("%v, usage %+v, cost %s", err, rec.Usage, rec.Cost.Total)
	}
}

func TestCostIsInTheLastUsageChunk(t *testing.T) {
	for name, c := range map[string]struct {
		chunks []provider.Chunk
		want   string
	}{
		"reported":     {[]provider.Chunk{text("hi"), usage(10, 5), done()}, `"usage":{"prompt_tokens":10,"cost":0.00002}}`},
		"not reported": {[]provider.Chunk{text("12345678"), done()}, `"completion_tokens":2,`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, script{"a": streams(nil, c.chunks...)})
			call, w := newCall(t, true), &page{}
			call.WantsUsage = true
			if _, err := l.Serve(t.Context(), call, w); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(w.text, c.want) || !strings.Contains(w.text, `"cost":0.0000`) || !strings.HasSuffix(w.text, "data: [DONE]\n\n") {
				t.Errorf("the caller saw %q", w.text)
			}
			if strings.Count(w.text, `"usage"`) != 1 {
				t.Errorf("usage is shown %d times", strings.Count(w.text, `"usage"`))
			}
		})
	}
}

func TestEmptyStreamIsAProperAnswer(t *testing.T) {
	l := newLab(t, script{"a": streams(nil, role(), done())})
	w := &page{}
	rec, err := l.Serve(t.Context(), newCall(t, true), w)
	if err != nil || !w.started || !strings.HasSuffix(w.text, "[DONE]\n\n") || rec.State != model.StateCompleted {
		t.Errorf("%v, %q, %+v", err, w.text, rec)
	}
}

func TestUnknownAndUnservedModels(t *testing.T) {
	l := newLab(t, script{"a": answers("{}", counted)})
	call := newCall(t, false)
	call.Model = "m-aa"
	if _, err := l.Serve(t.Context(), call, &page{}); model.KindOf(err) != model.KindNotFound || model.AsError(err).Param != "model" {
		t.Errorf("unknown model: %v", err)
	}
	call = newCall(t, false)
	call.Model = "auto:no-such-strategy"
	if _, err := l.Serve(t.Context(), call, &page{}); model.KindOf(err) != model.KindInvalid {
		t.Errorf("unknown strategy: %v", err)
	}
}

func TestNoCandidateIsRecordedWithItsReasons(t *testing.T) {
	l := newLab(t, script{})
	call := newCall(t, false)
	min := 0.99
	call.Criteria.MinQuality = &min
	rec, err := l.Serve(t.Context(), call, &page{})
	if model.KindOf(err) != model.KindNoCandidate || rec == nil {
		t.Fatalf("%v", err)
	}
	got := l.stored(call.ID)
	if got.State != model.StateFailed || got.Error.Kind != model.KindNoCandidate || got.Plan == nil || len(got.Plan.Excluded) != 3 {
		t.Errorf("stored %+v", got)
	}
	d, err := l.Decision(t.Context(), call.ID)
	if err != nil || len(d.Excluded) != 3 || d.Excluded[0].Reason == "" || !strings.Contains(d.Explanation, "refused") {
		t.Errorf("explained as %+v, %v", d, err)
	}
}

// TestAHangingEndpointIsNotWaitedForWhileAnotherIsLeft: long before the
// provider's own timeouts the next endpoint is asked; the last one is waited for.
func TestAHangingEndpointIsNotWaitedForWhileAnotherIsLeft(t *testing.T) {
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream %v", stream), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := func(ctx context.Context, _ *model.Call) (*provider.Response, error) {
					<-ctx.Done()
					return nil, &model.Error{Kind: model.KindCanceled, Err: ctx.Err()}
				}
				answer := answers(`{"choices":[]}`, counted)
				if stream {
					answer = streams(nil, text("hi"), done())
				}
				l := newLab(t, script{"a": hang, "b": answer, "c": hang})
				began := time.Now()
				rec, err := l.Serve(t.Context(), newCall(t, stream), &page{})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < 10*time.Second || took > 4*time.Minute {
					t.Errorf("the answer came after %v", took)
				}
				first := rec.Attempts[0]
				if rec.Endpoint != "lab/b" || first.Error == nil || first.Error.Kind != model.KindTimeout {
					t.Errorf("answered by %s after %+v", rec.Endpoint, first.Error)
				}
				l.idle()
			})
		})
	}
}

func TestStrategyIsNamedOnce(t *testing.T) {
	l := newLab(t, script{})
	_, err := l.Select(t.Context(), model.Criteria{Model: "auto:speed-first", Strategy: "balanced"})
	if e := model.AsError(err); e == nil || e.Kind != model.KindInvalid || e.Param != "strategy" {
		t.Errorf("two strategies: %v", err)
	}
}

func TestReadyNeedsAnEndpointWithCredentials(t *testing.T) {
	if err := newLab(t, script{}).Ready(t.Context()); err != nil {
		t.Errorf("three endpoints: %v", err)
	}
	bare := newLab(t, script{}, func(e *model.Endpoint) { e.Ready = false })
	if err := bare.Ready(t.Context()); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("no credentials: %v", err)
	}
}

func TestReadyNeedsALogThatRecords(t *testing.T) {
	l := newLab(t, script{})
	if err := l.Events().Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Ready(t.Context()); model.KindOf(err) != model.KindUnavailable {
		t.Errorf("nothing can be recorded: %v", err)
	}
}

func TestConcurrencyLimitQueuesByPriority(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	var order []string
	inside := 0
	l := newLab(t, script{"a": func(_ context.Context, call *model.Call) (*provider.Response, error) {
		mu.Lock()
		if inside++; inside > 1 {
			t.Error("two calls at once")
		}
		order = append(order, call.Criteria.Context.UserID)
		mu.Unlock()
		<-release
		mu.Lock()
		inside--
		mu.Unlock()
		return &provider.Response{Status: 200, Body: []byte("{}"), Usage: counted}, nil
	}}, func(e *model.Endpoint) { e.MaxConcurrency = 1; e.Ready = e.Upstream == "a" })

	var wg sync.WaitGroup
	submit := func(user string, p model.Priority, queued int32) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			call := newCall(t, false)
			call.Criteria.Context.UserID, call.Criteria.Context.Priority = user, p
			if _, err := l.Serve(t.Context(), call, &page{}); err != nil {
				t.Errorf("%s: %v", user, err)
			}
		}()
		eventually(t, func() bool {
			h := l.Endpoints()[0].Health
			return h.InFlight+h.Queued == queued
		})
	}
	submit("first", 0, 1)
	submit("low", model.PriorityLow, 2)
	submit("high", model.PriorityHigh, 3)
	close(release)
	wg.Wait()
	if got := strings.Join(order, " "); got != "first high low" {
		t.Errorf("order %q", got)
	}
	l.idle()
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen in ten seconds")
		}
	}
}

func TestSelectExplainsAndIsStored(t *testing.T) {
	l := newLab(t, script{})
	q, c, lat := 0.4, 0.4, 0.2
	sel, err := l.Select(t.Context(), model.Criteria{
		QualityWeight: &q, CostWeight: &c, LatencyWeight: &lat, Messages: []byte(`[{"role":"user","content":"hi"}]`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if sel.Selected == "" || sel.EstimatedCostUSD == nil || sel.Reason == "" || len(sel.Candidates) != 3 || !sel.FallbackAvailable {
		t.Errorf("selection %+v", sel)
	}
	if e := sel.EstimatedCost; e.Low > e.Expected || e.Expected > e.High || e.High == 0 {
		t.Errorf("estimate %+v", e)
	}
	d, err := l.Decision(t.Context(), sel.RequestID)
	if err != nil || d.Explanation == "" || d.State != model.StatePlanned {
		t.Errorf("decision %+v, %v", d, err)
	}
	if _, err := l.Select(t.Context(), model.Criteria{Messages: []byte(`"hi"`)}); model.AsError(err).Param != "messages" {
		t.Errorf("messages that are none: %v", err)
	}
	bad := int64(-1)
	if _, err := l.Select(t.Context(), model.Criteria{InputTokens: &bad}); model.AsError(err).Param != "input_tokens" {
		t.Errorf("negative tokens: %v", err)
	}
}
