package generate

// assigned lists the country codes of ISO 3166-1 numeric in force in 2026,
// ascending. A number that starts with 9 and one of them is that country's
// standards body to assign (ISO/IEC 7812-1, major industry identifier 9), and
// national schemes do: Troy has 9 792, Humo 9 860, Napas 9 704, mada 9 682.
var assigned = [...]uint16{
	4, 8, 10, 12, 16, 20, 24, 28, 31, 32, 36, 40, 44, 48, 50, 51,
	52, 56, 60, 64, 68, 70, 72, 74, 76, 84, 86, 90, 92, 96, 100, 104,
	108, 112, 116, 120, 124, 132, 136, 140, 144, 148, 152, 156, 158, 162, 166, 170,
	174, 175, 178, 180, 184, 188, 191, 192, 196, 203, 204, 208, 212, 214, 218, 222,
	226, 231, 232, 233, 234, 238, 239, 242, 246, 248, 250, 254, 258, 260, 262, 266,
	268, 270, 275, 276, 288, 292, 296, 300, 304, 308, 312, 316, 320, 324, 328, 332,
	334, 336, 340, 344, 348, 352, 356, 360, 364, 368, 372, 376, 380, 384, 388, 392,
	398, 400, 404, 408, 410, 414, 417, 418, 422, 426, 428, 430, 434, 438, 440, 442,
	446, 450, 454, 458, 462, 466, 470, 474, 478, 480, 484, 492, 496, 498, 499, 500,
	504, 508, 512, 516, 520, 524, 528, 531, 533, 534, 535, 540, 548, 554, 558, 562,
	566, 570, 574, 578, 580, 581, 583, 584, 585, 586, 591, 598, 600, 604, 608, 612,
	616, 620, 624, 626, 630, 634, 638, 642, 643, 646, 652, 654, 659, 660, 662, 663,
	666, 670, 674, 678, 682, 686, 688, 690, 694, 702, 703, 704, 705, 706, 710, 716,
	724, 728, 729, 732, 740, 744, 748, 752, 756, 760, 762, 764, 768, 772, 776, 780,
	784, 788, 792, 795, 796, 798, 800, 804, 807, 818, 826, 831, 832, 833, 834, 840,
	850, 854, 858, 860, 862, 876, 882, 887, 894,
}

// withdrawn lists codes that ISO 3166-1 once assigned and took back. Cards
// outlive countries: Serbia's DinaCard is known by 9 891, which was the code of
// Serbia and Montenegro until 2006.
var withdrawn = [...]uint16{
	80, 128, 200, 216, 230, 249, 278, 280, 396, 488, 530, 532, 536, 582,
	590, 594, 658, 698, 714, 720, 736, 810, 849, 872, 886, 890, 891,
}

// Codes from 900 on are for users to assign (ISO 3166-1), so that a territory
// without a code, or a scheme of its own, may have taken one. They too are left
// out; it costs a seventh of the space.
const userAssigned = 900

// slots is how many three-digit codes are left for tokens.
const slots = userAssigned - len(assigned) - len(withdrawn)

// codes says which three-digit codes tokens may carry after the leading 9.
// Written once, before main.
var codes = openCodes()

type codeTable struct {
	open [slots]uint16
	// lead holds, for each of them, the four digits 9ccc as digits8 spreads them.
	lead [slots]uint32
	// isOpen tells the same of every code.
	isOpen [1000]bool
}

func openCodes() (t codeTable) {
	for c := range userAssigned {
		t.isOpen[c] = true
	}
	for _, c := range assigned {
		t.isOpen[c] = false
	}
	for _, c := range withdrawn {
		t.isOpen[c] = false
	}
	n := 0
	for c, open := range t.isOpen {
		if open {
			t.open[n] = uint16(c)                                    // out of bounds if the lists overlap or repeat
			t.lead[n] = uint32(digits8((9000 + uint64(c)) * 1_0000)) // the word's first half
			n++
		}
	}
	if n != slots {
		panic("generate: the tables of country codes overlap")
	}
	return t
}
