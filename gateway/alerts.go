package gateway

import (
	"context"
	"net/http"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// Alerts is the part of *alert.Engine that the gateway speaks to.
type Alerts interface {
	Rules() []alert.OwnedRule
	Channels() []string
	// SaveRule: KindInvalid, KindConflict, KindUnavailable.
	SaveRule(ctx context.Context, r alert.Rule) (alert.Rule, error)
	// DeleteRule: KindNotFound, KindConflict, KindUnavailable.
	DeleteRule(ctx context.Context, name string) error
	// Board: KindUnavailable.
	Board(ctx context.Context) (*alert.Board, error)
	// Incidents and Deliveries: KindInvalid for a name that is not known, KindUnavailable.
	Incidents(ctx context.Context, rule string, limit int) ([]alert.Incident, error)
	Deliveries(ctx context.Context, channel string, limit int) ([]alert.Delivery, error)
	// TestChannel: KindNotFound, KindUnavailable.
	TestChannel(ctx context.Context, name string) (alert.Delivery, error)
}

// AlertsView answers GET /api/v1/alerts.
type AlertsView struct {
	Firing  []alert.State    `json:"firing"`
	Pending []alert.State    `json:"pending"` // hold, and wait for their time
	Queue   []alert.Delivery `json:"messages_waiting"`
}

// AlertTest is the body of POST /api/v1/alerts/test.
type AlertTest struct {
	Channel string `json:"channel"` // name of a channel of the configuration
}

var (
	decodeAlertRule = strict.For[alert.Rule]("gateway.saveAlertRule")
	decodeAlertTest = strict.For[AlertTest]("gateway.testAlert")
)

// shownAlerts is how many incidents or messages are shown unless it is asked for
// others; maxAlerts is the most.
const (
	shownAlerts = 100
	maxAlerts   = 10_000
)

func (g *Gateway) addAlertRoutes(add func(path string, methods map[string]func(*exchange)) *route) {
	if g.cfg.Alerts == nil {
		return
	}
	list, one := reads(g.listAlertRules), reads(g.getAlertRule)
	list[http.MethodPost], one[http.MethodDelete] = g.saveAlertRule, g.deleteAlertRule
	add("/api/v1/alerts", reads(g.getAlerts))
	add("/api/v1/alerts/incidents", reads(g.listIncidents))
	add("/api/v1/alerts/deliveries", reads(g.listDeliveries))
	add("/api/v1/alerts/channels", reads(g.listChannels))
	add("/api/v1/alerts/test", writes(g.testAlert)).wants(key.Manage, key.Manage)
	add("/api/v1/alerts/rules", list).wants(key.Read, key.Manage)
	add("/api/v1/alerts/rules/", one).deletes = key.Manage
}

// getAlerts serves GET /api/v1/alerts: what fires, what is about to, and what
// nobody was told of yet.
func (g *Gateway) getAlerts(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	board, err := g.cfg.Alerts.Board(x.r.Context())
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	v := AlertsView{Firing: []alert.State{}, Pending: []alert.State{}, Queue: append([]alert.Delivery{}, board.Queue...)}
	for _, s := range board.States {
		if s.Firing {
			v.Firing = append(v.Firing, s)
		} else {
			v.Pending = append(v.Pending, s)
		}
	}
	x.writeJSON(v)
}

// listAlertRules serves GET /api/v1/alerts/rules.
func (g *Gateway) listAlertRules(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	x.writeJSON(map[string]any{"rules": g.cfg.Alerts.Rules()})
}

// getAlertRule serves GET /api/v1/alerts/rules/{name}.
func (g *Gateway) getAlertRule(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	for _, r := range g.cfg.Alerts.Rules() {
		if r.Name == x.rest() {
			x.writeJSON(r)
			return
		}
	}
	x.fail(model.Errorf("gateway.getAlertRule", model.KindNotFound, "there is no alert rule %.70q", x.rest()))
}

// saveAlertRule serves POST /api/v1/alerts/rules: it creates a rule, or replaces
// one that was created so.
func (g *Gateway) saveAlertRule(x *exchange) {
	var r alert.Rule
	if err := readBody(x, decodeAlertRule, &r); err != nil {
		x.fail(err)
		return
	}
	r, err := g.cfg.Alerts.SaveRule(x.r.Context(), r)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(alert.OwnedRule{Rule: r})
}

// deleteAlertRule serves DELETE /api/v1/alerts/rules/{name}.
func (g *Gateway) deleteAlertRule(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	if err := g.cfg.Alerts.DeleteRule(x.r.Context(), x.rest()); err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(map[string]string{"deleted": x.rest()})
}

// listIncidents serves GET /api/v1/alerts/incidents: what fired, the latest first.
func (g *Gateway) listIncidents(x *exchange) {
	listLatest(x, "rule", "incidents", g.cfg.Alerts.Incidents)
}

// listDeliveries serves GET /api/v1/alerts/deliveries: messages, the latest first.
func (g *Gateway) listDeliveries(x *exchange) {
	listLatest(x, "channel", "deliveries", g.cfg.Alerts.Deliveries)
}

func listLatest[T any](x *exchange, filter, name string, list func(context.Context, string, int) ([]T, error)) {
	q := x.query()
	of, limit := q.text(filter), q.number("limit", 1, maxAlerts)
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	if limit == 0 {
		limit = shownAlerts
	}
	found, err := list(x.r.Context(), of, limit)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(map[string]any{name: append([]T{}, found...)})
}

// listChannels serves GET /api/v1/alerts/channels.
func (g *Gateway) listChannels(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	x.writeJSON(map[string]any{"channels": append([]string{}, g.cfg.Alerts.Channels()...)})
}

// testAlert serves POST /api/v1/alerts/test: it sends a message to a channel of
// the configuration, and says what became of it.
func (g *Gateway) testAlert(x *exchange) {
	var t AlertTest
	if err := readBody(x, decodeAlertTest, &t); err != nil {
		x.fail(err)
		return
	}
	d, err := g.cfg.Alerts.TestChannel(x.r.Context(), t.Channel)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(d)
}
