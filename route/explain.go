package route

import "github.com/cartrita/cartrita/model"

// Explain says in words why the first attempt of the plan was chosen: what it
// is, how it compares with the runner-up term by term, what was unknown, what
// follows if it fails, and what was excluded.
func Explain(p *model.Plan) string { return "" }
