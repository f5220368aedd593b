package gateway

import (
	"math"
	"net/http"
	"strings"

	"github.com/cartrita/cartrita/audit"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// AuditPage answers GET /api/v1/audit.
type AuditPage struct {
	Entries []audit.Entry `json:"entries"`        // latest first
	Next    int64         `json:"next,omitempty"` // the parameter before of the next page; absent at the end
}

// The actors of an audit trail who have no virtual key.
const (
	actorLocal  = "local" // on this machine, while no keys are wanted
	actorCLI    = "cli"   // with the local token: who may read the gateway's files
	actorStatic = "config-key:"
	actorKey    = "key:"
)

// auditActor is who a change is put down to on the audit trail.
func (x *exchange) auditActor() audit.Actor {
	a := audit.Actor{Name: x.actor()}
	switch {
	case x.who == local:
		a.ID = actorCLI
	case x.who == anybody:
		a.ID = actorLocal
	case x.who.Caller.Key != "":
		a.ID = actorKey + string(x.who.Caller.Key)
	default:
		a.ID = actorStatic + x.who.Name
	}
	return a
}

// signed has what a request changes put down to who sent it. Calls change nothing
// of the administration.
func (x *exchange) signed() {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead && strings.HasPrefix(x.route.path, "/api/") {
		x.r = x.r.WithContext(audit.By(x.r.Context(), x.auditActor()))
	}
}

func (g *Gateway) addAuditRoutes(add func(path string, methods map[string]func(*exchange)) *route) {
	if g.cfg.Trail == nil {
		return
	}
	add("/api/v1/audit", reads(g.listAudit)).wants(key.Manage, key.Manage)
	add("/api/v1/audit/verify", reads(g.verifyAudit)).wants(key.Manage, key.Manage)
}

// listAudit serves GET /api/v1/audit.
func (g *Gateway) listAudit(x *exchange) {
	q := x.query()
	f := audit.Filter{
		Since: q.moment("since"), Until: q.moment("until"), Actor: q.text("actor"), Action: q.text("action"), Object: q.text("object"),
		Limit: q.number("limit", 1, audit.MaxLimit), Before: int64(q.number("before", 1, math.MaxInt)),
	}
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	if err := f.Check(); err != nil {
		x.fail(model.AsError(err))
		return
	}
	page := AuditPage{}
	entries, err := g.cfg.Trail.Trail(x.r.Context(), f)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	if page.Entries = orEmpty(entries); len(entries) == f.PageSize() {
		page.Next = entries[len(entries)-1].Seq
	}
	x.writeJSON(page)
}

// verifyAudit serves GET /api/v1/audit/verify: it reads the whole trail.
func (g *Gateway) verifyAudit(x *exchange) {
	q := x.query()
	var head *audit.Hash
	if text := q.text("head"); text != "" {
		head = new(audit.Hash)
		if err := head.UnmarshalText([]byte(text)); err != nil {
			q.fail("head", "%v", err)
		}
	}
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	report, err := audit.Verify(x.r.Context(), g.cfg.Trail, head)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(report)
}
