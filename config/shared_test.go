package config

import (
	"errors"
	"strings"
	"testing"
)

func TestTheFileLiesOverTheSharedConfiguration(t *testing.T) {
	file := `
router: {max_attempts: 2}
budgets: [{name: own, period: daily, limit_usd: 1}]
`
	shared := Shared{Name: "shared", Data: []byte(`
router: {max_attempts: 5, default_strategy: cost-optimized}
budgets: [{name: all, period: daily, limit_usd: 9}, {name: more, period: daily, limit_usd: 9}]
unknown_price: free
log: {level: debug}
`)}
	alone, err := Parse("file", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	l, err := alone.WithShared(shared)
	if err != nil {
		t.Fatal(err)
	}
	if l.Router.MaxAttempts != 2 || l.Router.DefaultStrategy != "cost-optimized" || l.UnknownPrice != "free" || l.Log.Level != "debug" {
		t.Errorf("%+v, unknown_price %s, log %s", l.Router, l.UnknownPrice, l.Log.Level)
	}
	if len(l.Budgets) != 1 || l.Budgets[0].Name != "own" {
		t.Errorf("budgets %+v: a list of the file counts as a whole", l.Budgets)
	}
	back, err := l.WithShared(Shared{})
	if err != nil || back.UnknownPrice != alone.UnknownPrice || len(back.layers) != 2 {
		t.Errorf("without: %v, unknown_price %s", err, back.UnknownPrice)
	}
}

func TestWhatASharedConfigurationMayNotSay(t *testing.T) {
	file := "shared: {secrets: ['env:TEAM_*', 'env:ONE']}\n"
	for document, want := range map[string]string{
		"unknown_price: free\nlisten: 0.0.0.0:1\n":                      "shared:2:1: listen: is read when a gateway starts",
		"log: {level: debug, format: json}\n":                           "shared:1:21: log.format: is read when a gateway starts",
		"shared: {secrets: ['env:*']}\n":                                "shared:1:1: shared: is read when a gateway starts",
		"router: {max_atempts: 3}\n":                                    "did you mean max_attempts?",
		"router: {max_attempts: 0}\n":                                   "shared:1:10: router.max_attempts:",
		"a: [\n":                                                        "shared:",
		"providers: [{name: groq, api_key: env:OTHER}]\n":               "shared:1:35: providers[0].api_key: \"env:OTHER\" is not among",
		"providers: [{name: groq, headers: {X: 'file:/etc/shadow'}}]\n": "providers[0].headers.X: \"file:/etc/shadow\" is not among",
		"providers: [{name: groq, api_key: env:TEAM_X}, {name: xai, api_key: env:ONE}]\n": "",
	} {
		l, err := Parse("file", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.WithShared(Shared{Name: "shared", Data: []byte(document)})
		var text []string
		for _, p := range Problems(err) {
			text = append(text, p.String())
		}
		if got := strings.Join(text, "\n"); err == nil != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s got %q, want %q", document, got, want)
		}
	}
}

func TestAnAsteriskStandsForAnyText(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"env:A", "env:A", true}, {"env:A", "env:AB", false}, {"env:A*", "env:A", true}, {"env:*_KEY", "env:X_KEY", true},
		{"env:*_KEY", "env:X_KEYS", false}, {"env:*A*B", "env:xAyAB", true}, {"env:*A*B", "env:BA", false}, {"env:A*A", "env:A", false},
		{"*", "env:x", true}, {"env:*A*", "env:xB", false},
	} {
		if got := matches(c.pattern, c.s); got != c.want {
			t.Errorf("%s, %s: %v", c.pattern, c.s, got)
		}
	}
}

func TestAWatcherTakesSharedConfigurations(t *testing.T) {
	w := watchFile(t, "router: {max_attempts: 2}\n")
	w.run(t)
	if err := w.Share(t.Context(), Shared{"v1", []byte("unknown_price: free\nrouter: {max_attempts: 9}\n")}); err != nil {
		t.Fatal(err)
	}
	w.want(t, "unknown_price: assume-max → free")
	if err := w.Share(t.Context(), Shared{"v2", []byte("unknown_price: maybe\n")}); err == nil || !strings.Contains(err.Error(), "unknown_price") {
		t.Errorf("a wrong one: %v", err)
	}
	// What is shared stays beneath a file that changes.
	w.write(t, "router: {max_attempts: 3}\n")
	w.Reload()
	w.want(t, "router.max_attempts: 2 → 3")
	if got := w.Current().UnknownPrice; got != "free" {
		t.Errorf("unknown_price is %s, want the shared one", got)
	}
}

func TestASharedConfigurationThatIsRefusedIsNotInForce(t *testing.T) {
	w := watchFile(t, "router: {max_attempts: 2}\n")
	w.refuse = errors.New("no")
	w.run(t)
	if err := w.Share(t.Context(), Shared{"v1", []byte("unknown_price: free\n")}); !errors.Is(err, w.refuse) {
		t.Errorf("%v, want the refusal", err)
	}
	if got := w.Current().UnknownPrice; got != "assume-max" {
		t.Errorf("unknown_price is %s", got)
	}
}
