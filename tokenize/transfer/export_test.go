package transfer

// For the fuzz tests.
var (
	DecodeCursor = func(b []byte) ([]byte, error) {
		c, err := decodeCursor(b)
		if err != nil {
			return nil, err
		}
		return c.encode()
	}
	CheckPosition = checkPosition
)
