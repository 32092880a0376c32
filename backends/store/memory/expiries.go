package memory

// expiries is a heap of the codes that expire, the first to do so in front.
type expiries []*code

func (x expiries) Len() int { return len(x) }

func (x expiries) Less(i, j int) bool { return x[i].Expires < x[j].Expires }

func (x expiries) Swap(i, j int) {
	x[i], x[j] = x[j], x[i]
	x[i].inExpiries, x[j].inExpiries = i, j
}

func (x *expiries) Push(e any) {
	e.(*code).inExpiries = len(*x)
	*x = append(*x, e.(*code))
}

func (x *expiries) Pop() any {
	last := len(*x) - 1
	e := (*x)[last]
	(*x)[last] = nil
	*x = (*x)[:last]
	return e
}
