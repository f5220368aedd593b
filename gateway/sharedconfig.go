package gateway

import (
	"context"
	"strconv"

	"github.com/cartrita/cartrita/cluster"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

// SharedConfig keeps the configuration that gateways on one database share.
type SharedConfig interface {
	cluster.ConfigStore
	// InForce returns the version that this gateway runs with, 0 for none.
	InForce() int64
	// Save checks a document and makes it the latest version, in force here when it
	// returns. KindInvalid with what is wrong, KindConflict, KindUnavailable.
	Save(ctx context.Context, d ConfigDocument, by string) (*ConfigSaved, error)
}

// ConfigDocument is the body of POST /api/v1/config.
type ConfigDocument struct {
	Document string `json:"document"`        // YAML
	After    *int64 `json:"after,omitempty"` // the version that it follows; any when unset
	DryRun   bool   `json:"dry_run"`         // check it, and say what it would change
}

// ConfigSaved answers POST /api/v1/config.
type ConfigSaved struct {
	Version  int64 `json:"version,omitempty"`
	DryRun   bool  `json:"dry_run,omitempty"`
	Changes  any   `json:"changes"`  // at this gateway
	Warnings any   `json:"warnings"` // about the whole configuration
}

// configView answers GET /api/v1/config.
type configView struct {
	cluster.Configuration
	Latest  int64 `json:"latest"`
	InForce int64 `json:"in_force"` // at this gateway
}

var decodeConfig = strict.For[ConfigDocument]("gateway.config")

func (g *Gateway) addConfigRoutes(add func(path string, methods map[string]func(*exchange)) *route) {
	if g.cfg.SharedConfig == nil {
		return
	}
	add("/api/v1/config", both(g.getConfig, g.saveConfig)).wants(key.Manage, key.Manage)
	add("/api/v1/config/versions", reads(g.listConfigs)).wants(key.Manage, key.Manage)
}

// getConfig serves GET /api/v1/config: the latest version, or another one.
func (g *Gateway) getConfig(x *exchange) {
	q := x.query()
	asked := q.text("version")
	if err := q.done(); err != nil {
		x.fail(err)
		return
	}
	ctx := x.r.Context()
	latest, err := g.cfg.SharedConfig.ConfigVersion(ctx)
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	v := configView{Latest: latest, InForce: g.cfg.SharedConfig.InForce()}
	if wanted := latest; wanted > 0 || asked != "" {
		if asked != "" {
			if wanted, err = strconv.ParseInt(asked, 10, 64); err != nil || wanted < 1 {
				x.fail(model.Invalidf("gateway.config", "version", "is %.40q: want the number of a version; see GET /api/v1/config/versions", asked))
				return
			}
		}
		if v.Configuration, err = g.cfg.SharedConfig.LoadConfig(ctx, wanted); err != nil {
			x.fail(model.AsError(err))
			return
		}
	}
	x.writeJSON(v)
}

// listConfigs serves GET /api/v1/config/versions.
func (g *Gateway) listConfigs(x *exchange) {
	if err := x.query().done(); err != nil {
		x.fail(err)
		return
	}
	versions, err := g.cfg.SharedConfig.ListConfigs(x.r.Context())
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	if versions == nil {
		versions = []cluster.Configuration{}
	}
	x.writeJSON(map[string]any{"versions": versions, "in_force": g.cfg.SharedConfig.InForce()})
}

// saveConfig serves POST /api/v1/config.
func (g *Gateway) saveConfig(x *exchange) {
	var d ConfigDocument
	if err := readBody(x, decodeConfig, &d); err != nil {
		x.fail(err)
		return
	}
	saved, err := g.cfg.SharedConfig.Save(x.r.Context(), d, x.actor())
	if err != nil {
		x.fail(model.AsError(err))
		return
	}
	x.writeJSON(saved)
}
