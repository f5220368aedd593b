package main

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/store/database"
	"github.com/cartrita/cartrita/store/postgres"
	"github.com/cartrita/cartrita/store/sqlite"
)

// dbCmd are the commands that speak to the database itself, whether a gateway
// runs on it or not.
type dbCmd struct {
	Status  dbStatusCmd  `cmd:"" help:"Say what the database holds, without changing it."`
	Migrate dbMigrateCmd `cmd:"" help:"Bring the schema up to date, as a start of the gateway does."`
	Verify  dbVerifyCmd  `cmd:"" help:"Add all stored calls up anew and compare the sums of costs and budgets; check the audit trail."`
	Archive dbArchiveCmd `cmd:"" help:"Move calls of before a day out of the database, into the folder retention.archive. Their sums stay."`
	Copy    dbCopyCmd    `cmd:"" help:"Copy a SQLite database into a PostgreSQL one. A copy that ended early is finished by another."`
}

// storage is the database of a configuration, before it is opened.
type storage struct {
	config  *config.Config
	url     string                 // of PostgreSQL; "" SQLite
	renew   func() (string, error) // the URL, as it is now
	setting string                 // that names it
	name    string                 // for people: no password
}

// storage finds out which database the commands are about.
func (a *app) storage(g *globals) (*storage, error) {
	if g.Server != "" {
		return nil, model.Invalidf("", "--server", "the db commands speak to the database of the configuration, not to a gateway")
	}
	l, err := config.Load(a.loadOptions(g))
	if err != nil {
		return nil, err
	}
	return newStorage(&l.Config, a.secrets())
}

func newStorage(c *config.Config, secrets *config.Secrets) (*storage, error) {
	switch c.Store {
	case config.StoreMemory:
		return nil, model.Invalidf("", "store", "is memory: there is no database")
	case config.StoreSQLite:
		return &storage{config: c, name: storePath(c)}, nil
	}
	renew := func() (string, error) { return secrets.Literal(c.Store) }
	url, err := renew()
	if err != nil {
		return nil, err
	}
	if !config.IsPostgres(url) {
		return nil, model.Invalidf("", "store", "%s holds no URL such as postgres://user:password@host:5432/database", c.Store)
	}
	return &storage{config: c, url: url, renew: renew, setting: "store", name: config.Masked(&config.Config{Store: url}).Store}, nil
}

// open opens the database and brings its schema up to date.
func (s *storage) open(ctx context.Context, log *slog.Logger) (store, error) {
	if s.url == "" {
		return opened(sqlite.Open(ctx, sqlite.Config{Path: storePath(s.config), Logger: log}))
	}
	db, err := postgres.Open(ctx, s.postgres(log))
	return opened(db, s.aboutURL(err))
}

func (s *storage) postgres(log *slog.Logger) postgres.Config {
	return postgres.Config{URL: s.url, Renew: s.renew, Logger: log}
}

// countCalls is how long db status lets a server count calls; it estimates them
// then.
const countCalls = 20 * time.Second

// inspect looks at the database, and counts its calls for so long; otherwise it
// says roughly how many there are. In a file they are always counted.
func (s *storage) inspect(ctx context.Context, count time.Duration) (database.Status, error) {
	if s.url == "" {
		return sqlite.Inspect(ctx, sqlite.Config{Path: storePath(s.config)})
	}
	st, err := postgres.Inspect(ctx, s.postgres(nil), count)
	return st, s.aboutURL(err)
}

func (s *storage) migrate(ctx context.Context, log *slog.Logger) ([]string, error) {
	if s.url == "" {
		return sqlite.Migrate(ctx, sqlite.Config{Path: storePath(s.config), Logger: log})
	}
	applied, err := postgres.Migrate(ctx, s.postgres(log))
	return applied, s.aboutURL(err)
}

// aboutURL says of a URL that is refused which setting it is.
func (s *storage) aboutURL(err error) error {
	if model.KindOf(err) == model.KindInvalid {
		return model.Invalidf("", s.setting, "the URL %s", model.AsError(err).Message)
	}
	return err
}

// databaseStatus is what db status prints.
type databaseStatus struct {
	Store     string     `json:"store"`
	Reachable bool       `json:"reachable"`
	Server    string     `json:"server,omitempty"`
	Schema    int        `json:"schema_version"`       // 0: none
	Known     int        `json:"known_schema_version"` // to this program
	Calls     int64      `json:"calls"`
	Decisions int64      `json:"decisions"`       // that no call followed: dry runs
	Estimated bool       `json:"calls_estimated"` // both: counting would have taken too long
	Since     *time.Time `json:"calls_since"`     // those of before have left; null: none have
	Oldest    *time.Time `json:"oldest_call"`     // when it ended; null: no calls
	Newest    *time.Time `json:"newest_call"`
	Budgets   int64      `json:"budgets"` // created over the API
	Keys      int64      `json:"keys"`
	Versions  int64      `json:"model_versions"`
	Bytes     int64      `json:"bytes"`
}

type dbStatusCmd struct{}

// Run says what the database holds; what keeps it from that is an error.
func (cmd *dbStatusCmd) Run(a *app, g *globals, p *printer) error {
	s, err := a.storage(g)
	if err != nil {
		return err
	}
	st, err := s.inspect(a.ctx, countCalls)
	out := databaseStatus{
		Store: s.name, Reachable: err == nil, Server: st.Server, Schema: st.Schema, Known: st.Known,
		Calls: max(0, st.Calls-st.Decisions), Decisions: st.Decisions, Estimated: st.Estimated, Budgets: st.Budgets, Keys: st.Keys, Versions: st.ModelVersions, Bytes: st.Bytes,
	}
	if !st.Oldest.IsZero() {
		out.Oldest, out.Newest = &st.Oldest, &st.Newest
	}
	if !st.Since.IsZero() {
		out.Since = &st.Since
	}
	switch {
	case p.json && err == nil:
		return p.value(out)
	case p.json:
		_ = p.value(map[string]any{"store": out.Store, "reachable": false}) // the error says the rest
	default:
		p.databaseStatus(&out)
	}
	return err
}

func (p *printer) databaseStatus(s *databaseStatus) {
	t := p.table("what", "~is")
	t.row("store", s.Store)
	if !s.Reachable {
		t.row("reachable", "no")
		t.flush()
		return
	}
	t.row("reachable", "yes, "+s.Server)
	t.row("schema", schemaText(s.Schema, s.Known))
	about := ""
	if s.Estimated {
		about = "about "
	}
	t.row("calls", about+strconv.FormatInt(s.Calls, 10))
	t.row("decisions without a call", about+strconv.FormatInt(s.Decisions, 10))
	if s.Since != nil {
		t.row("archived", "calls of before "+s.Since.Format(time.DateOnly))
	}
	if s.Oldest != nil {
		t.row("oldest call", s.Oldest.Format(time.RFC3339))
		t.row("newest call", s.Newest.Format(time.RFC3339))
	}
	t.row("model versions", strconv.FormatInt(s.Versions, 10))
	t.row("keys", strconv.FormatInt(s.Keys, 10))
	t.row("budgets", strconv.FormatInt(s.Budgets, 10))
	t.row("size", humanize.IBytes(uint64(max(s.Bytes, 0))))
	t.flush()
	if s.Estimated {
		p.notef("counting the calls takes longer than %v: how many there are is the server's estimate", countCalls)
	}
}

func schemaText(have, known int) string {
	text := "version " + strconv.Itoa(have)
	switch {
	case have < known:
		text += ", this program knows " + strconv.Itoa(known) + ": cartrita db migrate brings it up to date"
	case have > known:
		text += ", this program knows " + strconv.Itoa(known) + ": use a newer one"
	}
	return text
}

type dbMigrateCmd struct{}

// Run applies the migrations that are missing.
func (cmd *dbMigrateCmd) Run(a *app, g *globals, p *printer) error {
	s, err := a.storage(g)
	if err != nil {
		return err
	}
	applied, err := s.migrate(a.ctx, a.warnings())
	if err != nil {
		return err
	}
	st, err := s.inspect(a.ctx, 0)
	if err != nil {
		return err
	}
	if p.json {
		if applied == nil {
			applied = []string{}
		}
		return p.value(map[string]any{"store": s.name, "schema_version": st.Schema, "applied": applied})
	}
	if len(applied) == st.Schema {
		p.notef("there was no database: %s is new", s.name)
	}
	for _, name := range applied {
		p.printf("applied %s\n", name)
	}
	if len(applied) == 0 {
		p.printf("nothing to do: the schema has version %d\n", st.Schema)
	}
	return nil
}
