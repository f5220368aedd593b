package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cartrita/cartrita/event"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// Keys is the part of *key.Ring that the gateway speaks to.
type Keys interface {
	// Find returns whose token it is, nil and nil for one that is not of a
	// virtual key: KindUnauthenticated.
	Find(token string) (*key.Identity, *model.Error)
	Owns(user string) bool // the user owns a key that was not revoked
	Any() bool             // there is a key, of whatever state
	HasAdmin() bool        // an administrator's key is accepted now
	List() []key.Key
	// Get: KindNotFound.
	Get(id model.KeyID) (key.Key, error)
	// Create: KindInvalid, KindConflict, KindUnavailable.
	Create(ctx context.Context, f key.Fields, actor string) (key.Key, string, error)
	// Update, Rotate and Revoke: also KindNotFound.
	Update(ctx context.Context, id model.KeyID, f key.Fields, actor string) (key.Key, error)
	Rotate(ctx context.Context, id model.KeyID, grace time.Duration, actor string) (key.Key, string, error)
	Revoke(ctx context.Context, id model.KeyID, actor string) (key.Key, error)
}

// DefaultGrace is how long a rotated secret stays valid unless the request says.
const DefaultGrace = 24 * time.Hour

// The last segments of a path under /api/v1/keys/.
const (
	verbRotate = "rotate"
	verbRevoke = "revoke"
	verbUpdate = "update"
)

// rotation is the body of POST /api/v1/keys/{id}/rotate, and may be left out.
type rotation struct {
	Grace string `json:"grace,omitempty"` // how long the former secret stays valid, such as 24h or 7d
}

var (
	decodeKeyFields = strict.For[key.Fields]("gateway.keys")
	decodeRotation  = strict.For[rotation]("gateway.keys")
)

// keyView is a key as the API shows it.
type keyView struct {
	key.Key
	State key.State `json:"state"`
	Token string    `json:"key,omitempty"` // the whole key, when it was just made
	// Warnings says what of the lists that were just given matches nothing yet.
	Warnings []string `json:"warnings,omitempty"`
}

func (g *Gateway) keyView(k key.Key, token string) keyView {
	return keyView{Key: k, State: k.State(g.cfg.Clock()), Token: token}
}

func (g *Gateway) addKeyRoutes(add func(path string, methods map[string]func(*exchange)) *route) {
	add("/api/v1/key", reads(g.getOwnKey)).wants(key.Ask, key.Ask)
	if g.cfg.Keys == nil {
		return
	}
	add("/api/v1/keys", both(g.listKeys, g.createKey)).wants(key.Manage, key.Manage)
	add("/api/v1/keys/", both(g.getKey, g.changeKey)).wants(key.Manage, key.Manage)
}

// listKeys serves GET /api/v1/keys.
func (g *Gateway) listKeys(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	out := []keyView{}
	for _, k := range g.cfg.Keys.List() {
		out = append(out, g.keyView(k, ""))
	}
	x.writeJSON(map[string]any{"keys": out})
}

// createKey serves POST /api/v1/keys.
func (g *Gateway) createKey(x *exchange) {
	var f key.Fields
	if err := readBody(x, decodeKeyFields, &f); err != nil {
		x.fail(err)
		return
	}
	if err := g.locksOut(x, &f); err != nil {
		x.fail(err)
		return
	}
	warnings, lerr := g.checkLists(&f)
	if lerr != nil {
		x.fail(lerr)
		return
	}
	k, token, err := g.cfg.Keys.Create(x.r.Context(), f, x.actor())
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	v := g.keyView(k, token)
	v.Warnings = warnings
	x.writeSecret(v)
}

// locksOut refuses a first key that would end the open access of who makes it
// without leaving anybody who may make another.
func (g *Gateway) locksOut(x *exchange, f *key.Fields) *model.Error {
	if x.who != anybody || f.Role != nil && f.Role.Has(key.Manage) || g.cfg.Keys.HasAdmin() {
		return nil
	}
	return model.Invalidf("gateway.createKey", "role",
		"the first key must have the role admin: once there is a key every request needs one, and nobody could make another; or use the command `cartrita keys create` on the machine of the gateway")
}

// writeSecret answers with a token, which no cache may keep.
func (x *exchange) writeSecret(v keyView) {
	x.w.Header()["Cache-Control"] = []string{"no-store"}
	x.writeJSON(v)
}

// keyPath splits the rest of the path into an id and a verb.
func (x *exchange) keyPath() (id model.KeyID, verb string, err *model.Error) {
	rest := strings.TrimPrefix(x.r.URL.EscapedPath(), x.route.path)
	rest, verb, _ = strings.Cut(rest, "/")
	name, uerr := url.PathUnescape(rest)
	if uerr != nil {
		return "", "", errNoPath
	}
	return model.KeyID(name), verb, x.query().done()
}

// getKey serves GET /api/v1/keys/{id}.
func (g *Gateway) getKey(x *exchange) {
	id, verb, err := x.keyPath()
	switch {
	case err != nil:
	case verb == verbRotate || verb == verbRevoke || verb == verbUpdate:
		err = methodNotAllowed(http.MethodPost)
	case verb != "":
		err = errNoPath
	}
	if err != nil {
		x.fail(err)
		return
	}
	k, kerr := g.cfg.Keys.Get(id)
	if kerr != nil {
		x.fail(model.AsError(kerr))
		return
	}
	x.writeJSON(g.keyView(k, ""))
}

// changeKey serves POST /api/v1/keys/{id}/rotate, …/revoke and …/update.
func (g *Gateway) changeKey(x *exchange) {
	id, verb, err := x.keyPath()
	if err != nil {
		x.fail(err)
		return
	}
	switch verb {
	case verbRotate:
		g.rotateKey(x, id)
	case verbRevoke:
		k, err := g.cfg.Keys.Revoke(x.r.Context(), id, x.actor())
		g.answerKey(x, k, nil, err)
	case verbUpdate:
		g.updateKey(x, id)
	case "":
		x.fail(methodNotAllowed("GET, HEAD"))
	default:
		x.fail(errNoPath)
	}
}

func (g *Gateway) updateKey(x *exchange, id model.KeyID) {
	var f key.Fields
	err := readBody(x, decodeKeyFields, &f)
	var warnings []string
	if err == nil {
		warnings, err = g.checkLists(&f)
	}
	if err != nil {
		x.fail(err)
		return
	}
	k, kerr := g.cfg.Keys.Update(x.r.Context(), id, f, x.actor())
	g.answerKey(x, k, warnings, kerr)
}

func (g *Gateway) answerKey(x *exchange, k key.Key, warnings []string, err error) {
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	v := g.keyView(k, "")
	v.Warnings = warnings
	x.writeJSON(v)
}

func (g *Gateway) rotateKey(x *exchange, id model.KeyID) {
	var body rotation
	if x.r.ContentLength != 0 {
		if err := readBody(x, decodeRotation, &body); err != nil {
			x.fail(err)
			return
		}
	}
	grace := DefaultGrace
	if body.Grace != "" {
		var err error
		if grace, err = key.ParseDuration(body.Grace); err != nil {
			x.fail(model.Invalidf("gateway.keys", "grace", "%.40q: want a duration such as 24h, 7d or 0s", body.Grace))
			return
		}
	}
	k, token, err := g.cfg.Keys.Rotate(x.r.Context(), id, grace, x.actor())
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeSecret(g.keyView(k, token))
}

// ownKey is what a caller may know of its own key, with the members that
// OpenRouter's clients read.
type ownKey struct {
	Label     string         `json:"label"`
	ID        model.KeyID    `json:"id,omitempty"`
	Role      key.Role       `json:"role"`
	User      string         `json:"user,omitempty"`
	Team      string         `json:"team,omitempty"`
	Project   string         `json:"project,omitempty"`
	Tags      []string       `json:"tags,omitempty"`
	Expires   *time.Time     `json:"expires_at"`      // null: never
	Limit     *model.Money   `json:"limit"`           // null: budgets are not those of a key
	Remaining *model.Money   `json:"limit_remaining"` // likewise
	Usage     *model.Money   `json:"usage"`           // spent in all, but for the latest moments; null: a key without id
	Limits    key.Limits     `json:"limits"`
	Rate      map[string]any `json:"rate_limit,omitempty"`
}

// getOwnKey serves GET /api/v1/key.
func (g *Gateway) getOwnKey(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	who := x.who
	own := ownKey{
		Label: who.Name, ID: who.Caller.Key, Role: who.Role, User: who.Caller.User, Team: who.Caller.Team,
		Project: who.Caller.Project, Tags: who.Caller.Tags, Limits: who.Limits,
	}
	if n := who.Limits.Requests; n > 0 {
		own.Rate = map[string]any{"requests": n, "interval": "1m"}
	}
	if own.ID != "" {
		report, err := g.cfg.Reader.Costs(x.r.Context(), event.CostQuery{Key: own.ID})
		if err != nil {
			x.fail(model.AsError(err))
			return
		}
		own.Usage = &report.Total.Cost
	}
	if g.cfg.Keys != nil && own.ID != "" {
		if k, err := g.cfg.Keys.Get(own.ID); err == nil && !k.Expires.IsZero() {
			own.Expires = &k.Expires
		}
	}
	x.writeJSON(map[string]any{"data": own})
}
