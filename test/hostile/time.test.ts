import { attack } from './attack.ts'
import { FAMILIES } from './families/index.ts'

attack(...FAMILIES.time)
