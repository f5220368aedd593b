package notify

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/model"
)

// PagerDutyURL is where PagerDuty takes events, unless told.
const PagerDutyURL = "https://events.pagerduty.com"

// PagerDutyConfig of a service that takes PagerDuty's Events API v2.
type PagerDutyConfig struct {
	HTTPConfig        // URL before /v2/enqueue; default PagerDutyURL
	RoutingKey string // of the integration; required
}

// pagerDuty sends one event for each alert: what fires or still does is a
// trigger, what is resolved a resolve, with the incident as the key by which
// PagerDuty knows them as one. A test is triggered as information and resolved.
type pagerDuty struct {
	poster
	key string

	mu   sync.Mutex
	sent map[string]int // how many events of a notification were taken before one failed
}

// NewPagerDuty makes a channel to PagerDuty. Errors: KindInvalid.
func NewPagerDuty(c PagerDutyConfig) (alert.Channel, error) {
	const op = "notify.PagerDuty"
	if c.URL == "" {
		c.URL = PagerDutyURL
	}
	c.URL = strings.TrimRight(c.URL, "/") + "/v2/enqueue"
	p, err := newPoster(op, c.HTTPConfig)
	if err != nil {
		return nil, err
	}
	if c.RoutingKey == "" {
		return nil, model.Invalidf(op, "routing_key", "is missing")
	}
	return &pagerDuty{poster: p, key: c.RoutingKey, sent: map[string]int{}}, nil
}

// pagerEvent is within the limits: 1024 characters of a summary, 255 of a key.
type pagerEvent struct {
	RoutingKey string        `json:"routing_key"`
	Action     string        `json:"event_action"`
	DedupKey   string        `json:"dedup_key"`
	Client     string        `json:"client,omitempty"`
	Payload    *pagerPayload `json:"payload,omitempty"`
}

type pagerPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  alert.Severity    `json:"severity"`
	Timestamp string            `json:"timestamp"`
	Group     string            `json:"group"`
	Class     string            `json:"class"`
	Details   map[string]string `json:"custom_details"`
}

// Send implements alert.Channel. What was taken is not sent again when the
// message is, so that one with very many alerts comes to its end.
func (p *pagerDuty) Send(ctx context.Context, n *alert.Notification) error {
	events := p.events(n)
	for i := min(p.begin(n.ID), len(events)); i < len(events); i++ {
		body, err := encode(p.op, &events[i])
		if err != nil {
			return err
		}
		if err := p.post(ctx, http.Header{}, body); err != nil {
			p.note(n.ID, i)
			return pagerFault(err)
		}
	}
	p.note(n.ID, 0)
	return nil
}

// pagerFault makes a refused event temporary: what is sent is within the limits,
// so it is the routing key that is wrong, which the configuration can put right.
func pagerFault(err error) error {
	if e := model.AsError(err); e.Status == http.StatusBadRequest {
		e.Kind, e.Message = model.KindUnavailable, e.Message+": the routing key may be wrong"
	}
	return err
}

func (p *pagerDuty) begin(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent[id]
}

// mostNoted bounds what is noted of messages that were given up: without a note,
// events are sent again, which PagerDuty sees.
const mostNoted = 100

func (p *pagerDuty) note(id string, sent int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sent) >= mostNoted {
		clear(p.sent)
	}
	p.sent[id] = sent
	if sent == 0 {
		delete(p.sent, id)
	}
}

func (p *pagerDuty) events(n *alert.Notification) (out []pagerEvent) {
	m := words(n, len(n.Alerts))
	for i := range n.Alerts {
		it := &m.Items[i]
		e := pagerEvent{RoutingKey: p.key, Action: "trigger", DedupKey: token(n.Alerts[i].Incident), Client: "Cartrita"}
		resolve := e
		resolve.Action = "resolve"
		if n.Event == alert.Resolved {
			out = append(out, resolve)
			continue
		}
		e.Payload = &pagerPayload{
			Summary: it.Summary, Source: it.Name, Severity: pagerSeverity(n),
			Timestamp: stamp(n.Alerts[i].Since), Group: line(n.Rule, nameLength, "alert"), Class: line(string(n.Type), nameLength, "alert"),
			Details: map[string]string{},
		}
		for _, f := range it.Facts {
			e.Payload.Details[strings.ToLower(f.Name)] = f.Value
		}
		out = append(out, e)
		if n.Event == alert.Test {
			out = append(out, resolve)
		}
	}
	return out
}

func pagerSeverity(n *alert.Notification) alert.Severity {
	if n.Event != alert.Test && (n.Severity == alert.Critical || n.Severity == alert.Warning) {
		return n.Severity
	}
	return alert.Info
}
