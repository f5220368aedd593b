package alert

// Type is what a rule watches.
type Type string

// The types.
const (
	CostThreshold   Type = "cost_threshold"
	LatencySpike    Type = "latency_spike"
	ErrorRate       Type = "error_rate"
	Availability    Type = "availability"
	SafetyViolation Type = "safety_violation"
	BudgetThreshold Type = "budget_threshold"
	BurnRate        Type = "burn_rate"
	BenchmarkDrift  Type = "benchmark_drift"
	SpoolDepth      Type = "spool_depth"
)

// Operator compares what was measured with a threshold.
type Operator string

// The operators.
const (
	Above   Operator = ">"
	AtLeast Operator = ">="
	Below   Operator = "<"
	AtMost  Operator = "<="
)
