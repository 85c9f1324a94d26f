import { attack } from './attack.ts'
import { markup, prototypes, reach } from './families/reach.ts'

attack(prototypes, reach, markup)
