import { attack } from './attack.ts'
import { floods, large } from './families/floods.ts'

attack(floods, large)
