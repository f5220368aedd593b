package gateway

import (
	"context"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/internal/prompt"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

const (
	promptQueue   = 256      // prompts that wait; more are dropped
	promptHeld    = 64 << 20 // bytes of the bodies that they lie in; more are dropped
	promptWorkers = 4        // prompts that are embedded at once
	promptText    = 8 << 10  // bytes of a text that are embedded, of a prompt as of a search
	promptTimeout = 10 * time.Second
	promptGrace   = 5 * time.Second // that what is under way has at shutdown
)

// prompts embeds what a sample of calls was asked, behind them: nobody waits for
// it. Each question is one more call of the same caller, so it may be refused,
// and then there is no vector.
type prompts struct {
	g        *Gateway
	share    float64
	queue    chan asked
	held     byteBudget
	outcomes *prometheus.CounterVec
	waiting  prometheus.Collector
}

// asked is the prompt of a call that completed.
type asked struct {
	call     model.CallID
	ended    time.Time
	who      *key.Identity
	context  model.Context
	messages []byte
	held     int64 // bytes of the body that the messages lie in
}

// What becomes of a prompt, and why.
const (
	promptEmbedded = "embedded"
	promptDropped  = "dropped"
	promptRefused  = "refused"

	reasonFull   = "queue_full"
	reasonNoText = "no_text"
	reasonStore  = "store"
)

func newPrompts(g *Gateway) *prompts {
	p := &prompts{g: g, share: g.cfg.Embeddings.Sample, queue: make(chan asked, promptQueue)}
	p.held.limit = promptHeld
	p.outcomes = counters("cartrita_prompt_embeddings_total",
		"Prompts of the sample, by outcome: embedded, dropped or refused, and by reason.", labelOutcome, labelReason)
	p.waiting = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cartrita_prompts_waiting", Help: "Prompts that wait to be embedded.",
	}, func() float64 { return float64(len(p.queue)) })
	return p
}

// Run does what is done behind calls, until ctx ends and what is under way then
// is done, too. It returns at once where there is nothing of the kind.
func (g *Gateway) Run(ctx context.Context) error {
	if g.prompts == nil {
		return nil
	}
	var workers sync.WaitGroup
	for range promptWorkers {
		workers.Go(func() { g.prompts.work(ctx) })
	}
	workers.Wait()
	return ctx.Err()
}

func (p *prompts) count(outcome, reason string) { p.outcomes.WithLabelValues(outcome, reason).Inc() }

// offer takes note of a call that ended. It neither waits nor reads a text:
// small answers leave only when their request is done.
func (p *prompts) offer(who *key.Identity, call *model.Call, rec *model.Record) {
	if p == nil || rec == nil || rec.State != model.StateCompleted || !event.SampledPrompt(call.ID, p.share) {
		return
	}
	messages, ok := call.Body.Get("messages")
	if !ok {
		return
	}
	a := asked{
		call: call.ID, ended: rec.Received.Add(milliseconds(rec.LatencyMS)), who: who, context: call.Criteria.Context,
		messages: messages, held: int64(len(call.Body.Raw)),
	}
	if !p.held.take(a.held) {
		p.count(promptDropped, reasonFull)
		return
	}
	select {
	case p.queue <- a:
	default:
		p.held.give(a.held)
		p.count(promptDropped, reasonFull)
	}
}

func (p *prompts) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-p.queue:
			if ctx.Err() == nil {
				p.embed(ctx, &a)
			}
		}
	}
}

// embed asks for the vector of one prompt and keeps it.
func (p *prompts) embed(ctx context.Context, a *asked) {
	defer p.held.give(a.held)
	defer func() {
		if fault := recover(); fault != nil {
			p.g.cfg.Logger.Error("panic while a prompt was embedded", "call", a.call, "panic", fault, "stack", string(debug.Stack()))
			p.count(promptRefused, model.KindInternal.String())
		}
	}()
	text := prompt.LastUser(a.messages, promptText)
	if text == "" {
		p.count(promptDropped, reasonNoText)
		return
	}
	ctx, cancel := p.outlasting(ctx)
	defer cancel()
	vs, by, err := likeness{x: p.exchange(ctx, a), behind: &a.context}.ask(ctx, []string{text})
	if err != nil {
		p.g.cfg.Logger.Debug("a prompt was not embedded", "call", a.call, "error", err)
		p.count(promptRefused, model.AsError(err).Kind.String())
		return
	}
	err = p.g.cfg.Prompts.SavePrompts(ctx, []event.Prompt{{Call: a.call, At: a.ended, Embedder: by, Vector: vs[0]}})
	if err != nil {
		p.g.cfg.Logger.Warn("the vector of a prompt was not stored", "call", a.call, "error", err)
		p.count(promptDropped, reasonStore)
		return
	}
	p.count(promptEmbedded, "")
}

// outlasting bounds one prompt. What is under way when ctx ends has a moment to
// finish: cut off, it would be paid for and lost.
func (p *prompts) outlasting(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := p.g.cfg.Embeddings.Timeout
	if timeout == 0 {
		timeout = promptTimeout
	}
	lasting, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(promptGrace, cancel) })
	return lasting, func() { stop(); cancel() }
}

// exchange is what a call of the caller's is made from: the request of the call
// before is over.
func (p *prompts) exchange(ctx context.Context, a *asked) *exchange {
	r := (&http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/v1/embeddings"}, Header: http.Header{}}).WithContext(ctx)
	return &exchange{g: p.g, w: unread{}, r: r, received: p.g.cfg.Clock(), id: model.NewCallID(), who: a.who}
}

// unread is where headers go that nobody gets.
type unread http.Header

func (n unread) Header() http.Header         { return http.Header(n) }
func (n unread) Write(b []byte) (int, error) { return len(b), nil }
func (n unread) WriteHeader(int)             {}
