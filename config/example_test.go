package config_test

import (
	"fmt"

	"github.com/cartrita/cartrita/config"
)

func ExampleLoad() {
	l, err := config.Load(config.Options{
		File: "cartrita.yaml",
		ReadFile: func(string) ([]byte, error) {
			return []byte("listen: 127.0.0.1:9000\nrouter: {default_strategy: speed-first}\n"), nil
		},
		Flags:   []config.Flag{{Name: "--listen", Path: "listen", Value: "127.0.0.1:0"}},
		Environ: []string{"CARTRITA_ROUTER_MAX_ATTEMPTS=5"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.Listen, l.Router.DefaultStrategy, l.Router.MaxAttempts)
	// Output: 127.0.0.1:0 speed-first 5
}

func ExampleProblems() {
	_, err := config.Parse("cartrita.yaml", []byte("router:\n  max_atempts: 3\nlog: {level: loud}\n"))
	for _, p := range config.Problems(err) {
		fmt.Println(p)
	}
	// Output:
	// cartrita.yaml:2:3: router.max_atempts: unknown field; did you mean max_attempts?
	// cartrita.yaml:3:7: log.level: "loud": want debug, info, warn or error
}

func ExampleDiff() {
	a, _ := config.Parse("a.yaml", []byte("log: {level: info}"))
	b, _ := config.Parse("b.yaml", []byte("log: {level: debug}"))
	for _, c := range config.Diff(&a.Config, &b.Config) {
		fmt.Println(c)
	}
	// Output: log.level: info → debug
}
