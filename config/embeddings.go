package config

import "time"

// Embeddings says by which model the registry and the calls are searched for
// likeness.
type Embeddings struct {
	// Model to ask, as a call names it; one of the endpoints must serve it. Who searches pays. Empty: built-in features for models, and calls are not searched.
	Model string `json:"model,omitempty"`
	// Time for one question to it. [10s]
	Timeout Duration `json:"timeout"`
	// Which calls can be found by what they were asked.
	Prompts Prompts `json:"prompts,omitzero"`
}

// Prompts says which calls get a vector of what they were asked. Texts are not
// kept.
type Prompts struct {
	// Share of the calls with messages, 0 to 1, whose last user message is embedded after they completed: one more call of the same caller each. [0]
	Sample float64 `json:"sample,omitempty"`
	// How long vectors are kept, 1h or more; none outlives its call. [as long as their calls]
	Keep Duration `json:"keep,omitzero"`
}

func (v *validator) embeddings() {
	e := &v.c.Embeddings
	if e.Timeout == 0 {
		v.problem("embeddings.timeout", "want more than 0")
	}
	v.within("embeddings.prompts.sample", e.Prompts.Sample, 0, 1)
	if e.Prompts.Sample > 0 && e.Model == "" && v.read("embeddings.model") {
		v.problem("embeddings.model", "is missing; want the model that embeds the sample of prompts")
	}
	if k := e.Prompts.Keep; k != 0 && k < Duration(time.Hour) {
		v.problem("embeddings.prompts.keep", "%s: want 1h or more", k)
	}
}
